// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/snapshot.hpp>

#include "enumerator_names.hpp"
#include "statistics_json.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace coroscope::report {

namespace {

constexpr std::array state_names{
    std::pair{task_state::ready, "ready"},     std::pair{task_state::running, "running"},
    std::pair{task_state::waiting, "waiting"}, std::pair{task_state::done, "done"},
    std::pair{task_state::failed, "failed"},   std::pair{task_state::cancelled, "cancelled"}};

// Newer programs may have states that this reader does not know; that is no reason to refuse the
// task.
task_state read_state(const json_view& json) {
    const auto text = json.text();
    for (const auto& [state, name] : state_names) {
        if (text == name) { return state; }
    }
    return task_state::unknown;
}

nlohmann::json wait_json(const task_snapshot& task) {
    nlohmann::json wait{{"kind", task.wait_kind}};
    if (!task.wait_object.empty()) { wait["object"] = task.wait_object; }
    if (!task.wait_owner.empty()) { wait["owner"] = task.wait_owner; }
    if (task.wait_deadline) { wait["deadline_ns"] = task.wait_deadline->count(); }
    if (task.waiting_for) { wait["for_ns"] = task.waiting_for->count(); }
    return wait;
}

void read_wait(task_snapshot& task, const json_view& json) {
    task.wait_kind = json.at("kind").text();
    if (const auto object = json.find("object")) { task.wait_object = object->text(); }
    if (const auto owner = json.find("owner")) { task.wait_owner = owner->text(); }
    if (const auto deadline = json.find("deadline_ns")) {
        task.wait_deadline = deadline->nanoseconds();
    }
    if (const auto duration = json.find("for_ns")) { task.waiting_for = duration->nanoseconds(); }
}

// What only some writers know.
void add_details(const task_snapshot& task, nlohmann::json& json) {
    if (task.scheduled) { json["scheduled_ns"] = task.scheduled->count(); }
    if (task.waiting) { json["waiting_ns"] = task.waiting->count(); }
    if (task.allocations) { json["allocations"] = *task.allocations; }
    if (task.frame_bytes) { json["frame_bytes"] = *task.frame_bytes; }
    if (!task.origin.empty()) {
        auto& origin = json["origin"] = nlohmann::json::array();
        for (const auto& position : task.origin) {
            origin.push_back(to_json(position));
        }
    }
    if (task.async_stack) { json["async_stack"] = to_json(*task.async_stack); }
}

void read_details(task_snapshot& task, const json_view& json) {
    if (const auto scheduled = json.find("scheduled_ns")) {
        task.scheduled = scheduled->nanoseconds();
    }
    if (const auto waiting = json.find("waiting_ns")) { task.waiting = waiting->nanoseconds(); }
    if (const auto count = json.find("allocations")) { task.allocations = count->count(); }
    if (const auto bytes = json.find("frame_bytes")) { task.frame_bytes = bytes->count(); }
    if (const auto origin = json.find("origin")) {
        for (const auto& position : origin->elements()) {
            task.origin.push_back(read_source_position(position));
        }
    }
    if (const auto stack = json.find("async_stack")) { task.async_stack = read_stack(*stack); }
}

}  // namespace

std::optional<std::chrono::nanoseconds> task_snapshot::due_in() const {
    if (!wait_deadline || !taken_at) { return std::nullopt; }
    return *wait_deadline - *taken_at;
}

std::string_view to_string(task_state state) {
    return name_of(state_names, state);
}

std::string wait_object_text(std::string_view kind, std::uint64_t object) {
    if (kind.empty() || kind == "nothing" || kind == "sleep" || kind == "clock") { return ""; }
    const auto noun = kind == "executor" ? "job" : kind == "io" ? "operation" : kind;
    return std::string(noun) + " " + std::to_string(object);
}

nlohmann::json to_json(const task_snapshot& task) {
    nlohmann::json json{{"id", task.id},       {"loop_id", task.loop_id},
                        {"name", task.name},   {"state", to_string(task.state)},
                        {"steps", task.steps}, {"busy_ns", task.busy.count()}};
    if (task.taken_at) { json["taken_at_ns"] = task.taken_at->count(); }
    if (!task.created_at.empty()) { json["created_at"] = to_json(task.created_at); }
    if (task.parent_id != 0) { json["parent_id"] = task.parent_id; }
    if (!task.await_site.empty()) { json["await_site"] = to_json(task.await_site); }
    if (!task.wait_kind.empty() || task.wait_deadline || task.waiting_for
        || !task.wait_object.empty() || !task.wait_owner.empty()) {
        json["wait"] = wait_json(task);
    }
    add_details(task, json);
    return json;
}

task_snapshot read_task_snapshot(const json_view& json) {
    task_snapshot task;
    task.id = json.at("id").count();
    task.loop_id = json.at("loop_id").count();
    task.name = json.at("name").text();
    task.state = read_state(json.at("state"));
    if (const auto taken = json.find("taken_at_ns")) { task.taken_at = taken->nanoseconds(); }
    task.steps = json.at("steps").count();
    task.busy = json.at("busy_ns").nanoseconds();
    if (const auto created = json.find("created_at")) {
        task.created_at = read_source_position(*created);
    }
    if (const auto parent = json.find("parent_id")) { task.parent_id = parent->count(); }
    if (const auto site = json.find("await_site")) {
        task.await_site = read_source_position(*site);
    }
    if (const auto wait = json.find("wait")) { read_wait(task, *wait); }
    read_details(task, json);
    return task;
}

nlohmann::json to_json(const call_record& call) {
    return {{"start_ns", call.start.count()},
            {"end_ns", call.end.count()},
            {"delta_ns", call.delta.count()}};
}

call_record read_call_record(const json_view& json) {
    return {json.at("start_ns").nanoseconds(), json.at("end_ns").nanoseconds(),
            json.at("delta_ns").nanoseconds()};
}

nlohmann::json to_json(const time_stats& stats) {
    auto json = calls_to_json(stats, [](const call_record& call) { return to_json(call); });
    json["total_ns"] = stats.total.count();
    json["min_ns"] = stats.min.count();
    json["max_ns"] = stats.max.count();
    json["last_ns"] = stats.last.count();
    json["busy_ns"] = stats.busy.count();
    json["lengths"] = to_json(stats.lengths);
    return json;
}

time_stats read_time_stats(const json_view& json) {
    time_stats stats;
    read_calls(stats, json, &read_call_record);
    stats.total = json.at("total_ns").nanoseconds();
    stats.min = json.at("min_ns").nanoseconds();
    stats.max = json.at("max_ns").nanoseconds();
    stats.last = json.at("last_ns").nanoseconds();
    stats.busy = json.at("busy_ns").nanoseconds();
    if (const auto lengths = json.find("lengths")) { stats.lengths = read_histogram(*lengths); }
    return stats;
}

nlohmann::json to_json(const time_table& table) {
    return table_to_json(table);
}

time_table read_time_table(const json_view& json) {
    return read_table<time_table>(json, &read_time_stats);
}

nlohmann::json to_json(const loop_stats& stats) {
    return {{"loop_id", stats.loop_id},      {"steps", stats.steps},
            {"busy_ns", stats.busy.count()}, {"idle_ns", stats.idle.count()},
            {"ready", stats.ready},          {"scheduled", stats.scheduled},
            {"tasks", stats.tasks}};
}

loop_stats read_loop_stats(const json_view& json) {
    loop_stats stats;
    stats.loop_id = json.at("loop_id").count();
    stats.steps = json.at("steps").count();
    stats.busy = json.at("busy_ns").nanoseconds();
    stats.idle = json.at("idle_ns").nanoseconds();
    stats.ready = json.at("ready").count();
    stats.scheduled = json.at("scheduled").count();
    stats.tasks = json.at("tasks").count();
    return stats;
}

}  // namespace coroscope::report
