// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/snapshot.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

task_snapshot waiting_task() {
    task_snapshot task;
    task.id = 7;
    task.loop_id = 1;
    task.name = "fetch";
    task.state = task_state::waiting;
    task.created_at = {"main.cpp", 20, "main()"};
    task.parent_id = 3;
    task.await_site = {"fetch.cpp", 44, "fetch()"};
    task.wait_kind = "sleep";
    task.wait_object = "back-off";
    task.wait_deadline = 9s;
    task.waiting_for = 4s;
    task.taken_at = 5s;
    task.steps = 12;
    task.busy = 3ms;
    task.wait_owner = "task 3 'holder'";
    task.scheduled = 2ms;
    task.waiting = 1min;
    task.origin = {task.created_at, {"main.cpp", 9, "run()"}};
    stack_frame innermost;
    innermost.function = "fetch";
    innermost.file = "fetch.cpp";
    innermost.line = 44;
    task.allocations = 12;
    task.frame_bytes = 384;
    task.async_stack = stack{{innermost, {}}, true};
    return task;
}

}  // namespace

TEST_CASE("a task survives the way through JSON", "[report]") {
    const auto full = to_json(waiting_task());
    CHECK(read_task_snapshot(json_view(full)) == waiting_task());
    const auto bare = to_json(task_snapshot{});
    CHECK(read_task_snapshot(json_view(bare)) == task_snapshot{});
}

TEST_CASE("what older programs do not tell of a task is absent, not an error", "[report]") {
    auto json = to_json(waiting_task());
    for (const auto* name :
         {"scheduled_ns", "waiting_ns", "allocations", "frame_bytes", "origin", "async_stack"}) {
        json.erase(name);
    }
    json["wait"].erase("owner");
    const auto task = read_task_snapshot(json_view(json));
    CHECK_FALSE(task.scheduled);
    CHECK_FALSE(task.waiting);
    CHECK_FALSE(task.allocations);
    CHECK_FALSE(task.frame_bytes);
    CHECK_FALSE(task.async_stack);
    CHECK(task.origin.empty());
    CHECK(task.wait_owner.empty());
    CHECK(task.wait_object == "back-off");
}

TEST_CASE("what a task waits on has a text for people", "[report]") {
    CHECK(wait_object_text("task", 7) == "task 7");
    CHECK(wait_object_text("executor", 3) == "job 3");
    CHECK(wait_object_text("io", 3) == "operation 3");
    CHECK(wait_object_text("sleep", 0).empty());
    CHECK(wait_object_text("", 0).empty());
}

TEST_CASE("every task state has a name of its own", "[report]") {
    const auto state =
        GENERATE(task_state::unknown, task_state::ready, task_state::running, task_state::waiting,
                 task_state::done, task_state::failed, task_state::cancelled);
    task_snapshot task;
    task.state = state;
    const auto json = to_json(task);
    CHECK(read_task_snapshot(json_view(json)).state == state);
}

TEST_CASE("a state from a newer program is unknown, not an error", "[report]") {
    auto json = to_json(waiting_task());
    json["state"] = "hibernating";
    CHECK(read_task_snapshot(json_view(json)).state == task_state::unknown);
}

TEST_CASE("how long a task will wait is told by the snapshot's own time", "[report]") {
    auto task = waiting_task();
    CHECK(task.due_in() == 4s);
    task.taken_at = 10s;
    CHECK(task.due_in() == -1s);
    task.taken_at.reset();
    CHECK_FALSE(task.due_in());
    task.taken_at = 1s;
    task.wait_deadline.reset();
    CHECK_FALSE(task.due_in());
}

TEST_CASE("time statistics survive the way through JSON", "[report]") {
    time_stats stats{6, 3, 2, 1, 60ms, 1ms, 30ms, 4ms, 12ms, {{1s, 2s, 1s}, {3s, 3500ms, 500ms}},
                     4};
    stats.lengths.add(30ms, 6);
    const time_table table{{"fetch", stats}, {"two words, \"quoted\"", {}}};
    const auto json = to_json(table);
    CHECK(read_time_table(json_view(json)) == table);
}

TEST_CASE("an empty time table is an empty object", "[report]") {
    const auto json = to_json(time_table{});
    CHECK(json == nlohmann::json::object());
    CHECK(read_time_table(json_view(json)).empty());
}

TEST_CASE("a complaint about a time table names the function and the member", "[report]") {
    auto json = to_json(time_table{{"fetch", {}}});
    json["fetch"]["total_ns"] = "long";
    CHECK_THROWS_WITH(read_time_table(json_view(json)),
                      Contains("$.fetch.total_ns: expected a whole number"));
}

TEST_CASE("loop statistics survive the way through JSON", "[report]") {
    const loop_stats stats{1, 1000, 20ms, 980ms, 4, 5, 6};
    const auto json = to_json(stats);
    CHECK(read_loop_stats(json_view(json)) == stats);
}
