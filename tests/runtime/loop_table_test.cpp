// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop_table.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <thread>

using namespace coroscope;

namespace {

std::optional<loop_view> find_loop(std::uint32_t id) {
    const auto views = read_loops();
    const auto found =
        std::find_if(views.begin(), views.end(), [id](const auto& view) { return view.id == id; });
    return found == views.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

TEST_CASE("a loop is listed from its construction on, and after its end as it was then") {
    std::uint32_t id = 0;
    {
        loop l;
        id = l.id();
        const auto before = find_loop(id);
        REQUIRE(before.has_value());
        CHECK(before->alive);
        CHECK(before->state == loop_state::idle);
        l.call_soon([] {});
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
        CHECK(find_loop(id)->statistics.callbacks == 2);
    }
    const auto after = find_loop(id);
    REQUIRE(after.has_value());
    CHECK_FALSE(after->alive);
    CHECK(after->state == loop_state::closed);
    CHECK(after->statistics.callbacks == 2);
}

TEST_CASE("the list of ended loops is bounded and in the order of their creation") {
    for (int i = 0; i < 100; ++i) {
        const loop l;
    }
    const auto views = read_loops();
    CHECK(std::count_if(views.begin(), views.end(), [](const auto& v) { return !v.alive; }) == 16);
    CHECK(std::is_sorted(views.begin(), views.end(),
                         [](const auto& a, const auto& b) { return a.id < b.id; }));
}

TEST_CASE("what a loop does now is seen while it does it") {
    loop l;
    CHECK_FALSE(read_activity(l.id())->in_step);
    std::optional<loop_activity> in_callback;
    const auto line = __LINE__ + 1;
    l.call_soon([&] { in_callback = read_activity(l.id()); });
    std::optional<loop_activity> in_task;
    std::optional<task_view> seen;
    l.run_until_complete(l.create_task(
        [](loop& own, std::optional<loop_activity>& activity,
           std::optional<task_view>& task) -> coro<> {
            co_await yield_now();
            activity = read_activity(own.id());
            task = read_task(activity->record);
        }(l, in_task, seen),
        "looks at itself"));
    REQUIRE(in_callback.has_value());
    CHECK(in_callback->in_step);
    CHECK(in_callback->kind == step_kind::callback);
    CHECK(in_callback->created_at.line() == line);
    REQUIRE(in_task.has_value());
    CHECK(in_task->in_step);
    CHECK(in_task->kind == step_kind::task);
    CHECK(in_task->began > in_callback->began);
    REQUIRE(seen.has_value());
    CHECK(seen->name == "looks at itself");
    CHECK(seen->state == task_state::running);
    CHECK_FALSE(read_activity(l.id())->in_step);
    CHECK_FALSE(read_task(in_task->record).has_value());  // over
}

TEST_CASE("a loop that does not measure its steps, or is none, does nothing that is known") {
    loop_options options;
    options.time_stats = false;
    const loop l(options);
    CHECK_FALSE(read_activity(l.id()).has_value());
    CHECK_FALSE(read_activity(0).has_value());
    CHECK_FALSE(read_task(nullptr).has_value());
    const task_record elsewhere;
    CHECK_FALSE(read_task(&elsewhere).has_value());
}

TEST_CASE("a loop that waits is seen to wait from another thread", "[threads]") {
    loop l;
    std::atomic<bool> seen{false};
    std::thread looker([&] {
        for (;;) {
            const auto activity = read_activity(l.id());
            if (!activity->in_step && l.is_running()) { break; }
        }
        seen.store(true);
        l.stop_threadsafe();
    });
    l.run_forever();
    looker.join();
    CHECK(seen.load());
}

TEST_CASE("another thread lists a loop that is blocked in a callback", "[threads]") {
    std::promise<std::uint32_t> blocked;
    std::promise<void> go_on;
    std::thread thread([&] {
        loop l;
        l.call_soon([&] {
            blocked.set_value(l.id());
            go_on.get_future().wait();
            l.stop();
        });
        l.run_forever();
    });
    const auto id = blocked.get_future().get();
    const auto view = find_loop(id);
    go_on.set_value();
    thread.join();
    REQUIRE(view.has_value());
    CHECK(view->alive);
    CHECK(view->state == loop_state::running);
    CHECK_FALSE(find_loop(id)->alive);
}
