// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/step_cause.hpp>

#include "enumerator_names.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>

namespace coroscope::report {
namespace {

constexpr std::array verdict_names{std::pair{step_verdict::computing, "computing"},
                                   std::pair{step_verdict::blocked, "blocked"},
                                   std::pair{step_verdict::page_faults, "page_faults"},
                                   std::pair{step_verdict::not_scheduled, "not_scheduled"}};

std::string milliseconds_as_seconds(std::chrono::nanoseconds time) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.3f s", static_cast<double>(time.count()) / 1e9);
    return text.data();
}

}  // namespace

std::string describe_verdict(const step_cause& cause) {
    switch (cause.verdict) {
    case step_verdict::computing: return "computing";
    case step_verdict::page_faults: return "blocked in the kernel: page faults";
    case step_verdict::not_scheduled: return "not scheduled by the operating system";
    case step_verdict::blocked: break;
    }
    if (cause.system_call.empty()) { return "blocked in the kernel, in calls shorter than this"; }
    return "blocked in the kernel: " + cause.system_call
           + (cause.target.empty() ? "" : " (" + cause.target + ")");
}

std::string to_string(const step_cause& cause) {
    constexpr std::uint64_t many_faults = 100;
    auto text = describe_verdict(cause) + " (CPU " + milliseconds_as_seconds(cause.cpu)
                + ", blocked " + milliseconds_as_seconds(cause.blocked) + ", not scheduled "
                + milliseconds_as_seconds(cause.not_scheduled);
    if (cause.minor_faults >= many_faults || cause.major_faults > 0) {
        text += ", page faults " + std::to_string(cause.minor_faults + cause.major_faults) + ", "
                + std::to_string(cause.major_faults) + " of them from a device";
    }
    return text + ")";
}

std::string_view to_string(step_verdict verdict) {
    return name_of(verdict_names, verdict);
}

nlohmann::json to_json(const step_cause& cause) {
    nlohmann::json json{{"verdict", to_string(cause.verdict)},
                        {"cpu_ns", cause.cpu.count()},
                        {"blocked_ns", cause.blocked.count()},
                        {"not_scheduled_ns", cause.not_scheduled.count()},
                        {"voluntary_switches", cause.voluntary_switches},
                        {"involuntary_switches", cause.involuntary_switches},
                        {"minor_faults", cause.minor_faults},
                        {"major_faults", cause.major_faults}};
    if (!cause.system_call.empty()) { json["system_call"] = cause.system_call; }
    if (!cause.target.empty()) { json["target"] = cause.target; }
    return json;
}

step_cause read_step_cause(const json_view& json) {
    step_cause cause;
    cause.verdict = read_enumerator(verdict_names, json.at("verdict"));
    cause.cpu = json.at("cpu_ns").nanoseconds();
    cause.blocked = json.at("blocked_ns").nanoseconds();
    cause.not_scheduled = json.at("not_scheduled_ns").nanoseconds();
    cause.voluntary_switches = json.at("voluntary_switches").count();
    cause.involuntary_switches = json.at("involuntary_switches").count();
    cause.minor_faults = json.at("minor_faults").count();
    cause.major_faults = json.at("major_faults").count();
    if (const auto call = json.find("system_call")) { cause.system_call = call->text(); }
    if (const auto target = json.find("target")) { cause.target = target->text(); }
    return cause;
}

}  // namespace coroscope::report
