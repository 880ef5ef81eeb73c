// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/slow_step.hpp>

#include "enumerator_names.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>

namespace coroscope::report {

namespace {

constexpr std::array kind_names{std::pair{step_kind::task, "task"},
                                std::pair{step_kind::callback, "callback"},
                                std::pair{step_kind::io_poll, "io_poll"}};

std::string seconds(std::chrono::nanoseconds duration) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(duration.count()) / 1e9);
    return text.data();
}

std::string described(const slow_step& step) {
    std::string text = "<" + std::string(to_string(step.kind));
    if (!step.name.empty()) { text += " '" + step.name + "'"; }
    if (step.task_id != 0) { text += " id=" + std::to_string(step.task_id); }
    if (!step.created_at.empty()) { text += " created at " + to_string(step.created_at); }
    return text + ">";
}

void put_position(nlohmann::json& json, const char* name, const source_position& position) {
    if (!position.empty()) { json[name] = to_json(position); }
}

source_position position_in(const json_view& json, const char* name) {
    const auto member = json.find(name);
    return member ? read_source_position(*member) : source_position{};
}

std::vector<evidence_item> evidence_of(const slow_step& step) {
    std::vector<evidence_item> evidence;
    if (!step.created_at.empty()) {
        evidence.push_back({"created at", described(step), step.created_at, {}});
    }
    if (!step.from.empty()) {
        evidence.push_back({"resumed at", "co_await where the step began", step.from, {}});
    }
    if (!step.to.empty()) {
        evidence.push_back({"suspended at", "co_await that the step reached", step.to, {}});
    }
    if (step.stack) {
        evidence.push_back({"stack", "taken while the step was stuck", {}, step.stack});
    }
    return evidence;
}

}  // namespace

std::string summary(const slow_step& step) {
    return "Executing " + described(step) + " took " + seconds(step.wall) + " seconds";
}

const source_position& offending_position(const slow_step& step) {
    return !step.from.empty() ? step.from : !step.to.empty() ? step.to : step.created_at;
}

std::string describe_span(const slow_step& step) {
    const auto& first = offending_position(step);
    if (first.empty()) { return "(unknown place)"; }
    if (step.from.empty()) {
        return to_string(first)
               + (step.to.empty() ? ", where it was created"
                                  : ", reached from the coroutine's start");
    }
    if (step.to.empty()) { return to_string(first) + " to the coroutine's end"; }
    const bool same_file = step.from.file == step.to.file;
    return to_string(first) + " to "
           + (same_file ? "line " + std::to_string(step.to.line) : to_string(step.to));
}

std::string fingerprint(const slow_step& step) {
    if (step.from.empty() && step.to.empty()) {
        return make_fingerprint("slow-step", std::array{step.created_at});
    }
    return make_fingerprint("slow-step", std::array{step.from, step.to});
}

finding to_finding(const slow_step& step) {
    finding finding;
    finding.rule = "slow-step";
    finding.fingerprint = fingerprint(step);
    finding.where = offending_position(step);
    finding.message = summary(step) + " at " + describe_span(step) + " (threshold " + seconds(step.threshold) +
                    (step.cpu ? ", CPU " + seconds(*step.cpu) : "") +
                    (step.cause ? ", " + describe_verdict(*step.cause) : "") +
                    "); the loop ran nothing else meanwhile: move the work between these lines to "
                    "run_in_executor, or split it with yield_now()";
    finding.evidence = evidence_of(step);
    return finding;
}

std::string_view to_string(step_kind kind) {
    return name_of(kind_names, kind);
}

nlohmann::json to_json(const slow_step& step) {
    nlohmann::json json{{"sequence", step.sequence},
                        {"kind", to_string(step.kind)},
                        {"loop_id", step.loop_id},
                        {"task_id", step.task_id},
                        {"name", step.name},
                        {"wall_ns", step.wall.count()},
                        {"threshold_ns", step.threshold.count()},
                        {"loop_time_ns", step.loop_time.count()},
                        {"when_unix_ns", unix_nanoseconds(step.when)}};
    put_position(json, "created_at", step.created_at);
    put_position(json, "from", step.from);
    put_position(json, "to", step.to);
    if (step.cpu) { json["cpu_ns"] = step.cpu->count(); }
    if (step.stack) { json["stack"] = to_json(*step.stack); }
    if (!step.stack_trouble.empty()) { json["stack_trouble"] = step.stack_trouble; }
    if (step.cause) { json["cause"] = to_json(*step.cause); }
    return json;
}

slow_step read_slow_step(const json_view& json) {
    slow_step step;
    step.sequence = json.at("sequence").count();
    step.kind = read_enumerator(kind_names, json.at("kind"));
    step.loop_id = json.at("loop_id").count();
    step.task_id = json.at("task_id").count();
    step.name = json.at("name").text();
    step.wall = json.at("wall_ns").nanoseconds();
    step.threshold = json.at("threshold_ns").nanoseconds();
    step.loop_time = json.at("loop_time_ns").nanoseconds();
    step.when = json.at("when_unix_ns").unix_time();
    step.created_at = position_in(json, "created_at");
    step.from = position_in(json, "from");
    step.to = position_in(json, "to");
    if (const auto cpu = json.find("cpu_ns")) { step.cpu = cpu->nanoseconds(); }
    if (const auto stack = json.find("stack")) { step.stack = read_stack(*stack); }
    if (const auto trouble = json.find("stack_trouble")) { step.stack_trouble = trouble->text(); }
    if (const auto cause = json.find("cause")) { step.cause = read_step_cause(*cause); }
    return step;
}

}  // namespace coroscope::report
