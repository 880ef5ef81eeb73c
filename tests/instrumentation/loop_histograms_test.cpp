// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_histograms.hpp>

#include <coroscope/instrumentation/wait_profiler.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using report::histogram;
using report::latency_row;
using report::latency_table;

namespace {

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

coro<> inner_wait(event& e) {
    co_await e.wait();
}
coro<> wait_for_event(event& e) {
    co_await inner_wait(e);
}

coro<> end_at_once() {
    co_return;
}

coro<> set_event(event& e) {
    co_await yield_now();
    e.set();
    co_await yield_often(3);
}

latency_row row_of(const latency_table::rows& rows, const std::string& key) {
    const auto found = rows.find(key);
    return found != rows.end() ? found->second : latency_row{};
}

/// Of a coroutine of this file.
latency_row coroutine_row(const latency_table& table, const std::string& function) {
    for (const auto& [key, row] : table.by_coroutine) {
        if (key.ends_with(function)) { return row; }
    }
    return {};
}

TEST_CASE("steps, delays and waits are counted by coroutine and by name", "[loop_histograms]") {
    event e;
    loop l;
    const loop_histograms histograms(l);
    const auto task = l.create_task(wait_for_event(e), "waiter");
    l.run_until_complete(set_event(e));
    const auto table = histograms.read();
    const auto waiter = coroutine_row(table, "wait_for_event");
    CHECK(waiter.step.ended.count() == 2);
    CHECK(waiter.delay.ended.count() == 2);  // from its creation, and from its wake-up
    CHECK(waiter.wait.ended.count() == 1);
    CHECK(waiter.step.going_on.count() == 0);
    CHECK(waiter.wait.going_on.count() == 0);
    CHECK(row_of(table.by_name, "waiter") == waiter);
    const auto setter = coroutine_row(table, "set_event");
    CHECK(setter.step.ended.count() == 5);
    CHECK(setter.delay.ended.count() == 5);
    CHECK(setter.wait.ended.count() == 0);  // a yield waits for nothing but its turn
    CHECK(row_of(table.by_name, "(unnamed)") == setter);
    CHECK(table.total().step.ended.count() >= 7);
    CHECK(table.dropped == 0);
    CHECK(table.duration > 0ns);
}

TEST_CASE("a task that comes to no co_await is known by the call that created it",
          "[loop_histograms]") {
    loop l;
    const loop_histograms histograms(l);
    const auto task = l.create_task(end_at_once());
    const auto line = std::to_string(__LINE__ - 1);
    l.run_until_complete(yield_often(1));
    const auto table = histograms.read();
    std::size_t found = 0;
    for (const auto& [key, row] : table.by_coroutine) {
        if (!key.starts_with("created at ") || !key.ends_with(':' + line)) { continue; }
        ++found;
        CHECK(row.step.ended.count() == 1);
        CHECK(row.delay.ended.count() == 1);
    }
    CHECK(found == 1);
}

TEST_CASE("callbacks have a row of their own, with their steps alone", "[loop_histograms]") {
    loop l;
    const loop_histograms histograms(l);
    l.call_soon([] {});
    l.call_soon([] {});
    l.run_until_complete(yield_often(1));
    const auto row = row_of(histograms.read().by_coroutine, "(callbacks)");
    CHECK(row.step.ended.count() >= 2);
    CHECK(row.delay.ended.count() == 0);
    CHECK(row == row_of(histograms.read().by_name, "(callbacks)"));
}

TEST_CASE("a step that a task began eagerly cuts its creator's in two", "[loop_histograms]") {
    loop l;
    l.set_task_factory(eager_task_factory);
    const loop_histograms histograms(l);
    struct body {
        static coro<> run() {
            co_await yield_now();
            const auto child = get_running_loop().create_task(yield_often(1));
            co_await yield_now();
            co_await yield_now();
        }
    };
    l.run_until_complete(body::run());
    const auto table = histograms.read();
    const auto creator = coroutine_row(table, "run");
    CHECK(creator.step.ended.count() == 5);
    CHECK(creator.delay.ended.count() == 4);
    const auto child = coroutine_row(table, "yield_often");
    CHECK(child.step.ended.count() == 2);
    CHECK(child.delay.ended.count() == 2);
}

TEST_CASE("a renamed task counts under its new name from then on", "[loop_histograms]") {
    loop l;
    const loop_histograms histograms(l);
    auto task = l.create_task(yield_often(4), "before");
    l.run_until_complete(yield_often(1));
    task.set_name("after");
    l.run_until_complete(task);
    const auto table = histograms.read();
    const auto before = row_of(table.by_name, "before").step.ended.count();
    const auto after = row_of(table.by_name, "after").step.ended.count();
    CHECK(before > 0);
    CHECK(after > 0);
    CHECK(before + after == 5);
    CHECK(coroutine_row(table, "yield_often").step.ended.count() >= 5);
}

coro<> rename_itself() {
    co_await yield_now();
    current_task().set_name("after");
    co_await yield_now();
}

TEST_CASE("a task that renames itself counts under its new name, too", "[loop_histograms]") {
    loop l;
    const loop_histograms histograms(l);
    l.run_until_complete(l.create_task(rename_itself(), "before"));
    const auto table = histograms.read();
    const auto after = row_of(table.by_name, "after").step.ended.count();
    CHECK(after > 0);
    CHECK(row_of(table.by_name, "before").step.ended.count() + after == 3);
}

TEST_CASE("a wait that has not ended counts with its age, and once when it has",
          "[loop_histograms]") {
    event e;
    loop l;
    const loop_histograms histograms(l);
    const auto task = l.create_task(wait_for_event(e), "waiter");
    l.run_until_complete(yield_often(2));
    const auto first = row_of(histograms.read().by_name, "waiter");
    CHECK(first.wait.ended.count() == 0);
    CHECK(first.wait.going_on.count() == 1);
    const auto later = histograms.read();
    const auto second = row_of(later.by_name, "waiter");
    CHECK(second.wait.going_on.sum() > first.wait.going_on.sum());
    CHECK(second.wait.all().count() == 1);
    CHECK(coroutine_row(later, "wait_for_event") == second);  // by its root, not its innermost
    l.call_soon([&] { e.set(); });
    l.run_until_complete(yield_often(3));
    const auto last = row_of(histograms.read().by_name, "waiter");
    CHECK(last.wait.ended.count() == 1);
    CHECK(last.wait.going_on.count() == 0);
    CHECK(last.wait.ended.max() >= second.wait.going_on.max());
}

TEST_CASE("a task that was woken while the loop is not run grows late", "[loop_histograms]") {
    event e;
    loop l;
    const loop_histograms histograms(l);
    const auto task = l.create_task(wait_for_event(e), "waiter");
    l.run_until_complete(yield_often(2));
    e.set();
    const auto first = row_of(histograms.read().by_name, "waiter");
    CHECK(first.delay.going_on.count() == 1);
    const auto second = row_of(histograms.read().by_name, "waiter");
    CHECK(second.delay.going_on.sum() > first.delay.going_on.sum());
    l.run_until_complete(yield_often(2));
    const auto last = row_of(histograms.read().by_name, "waiter");
    CHECK(last.delay.going_on.count() == 0);
    CHECK(last.delay.ended.max() >= second.delay.going_on.max());
}

constexpr auto much = 20ms;

/// Blocks the loop until another thread has seen what it waits to see.
struct blocked_loop {
    std::atomic<bool> is_blocked{false};
    std::atomic<bool> was_seen{false};

    coro<> block() {
        co_await yield_now();
        is_blocked = true;
        while (!was_seen) {
            std::this_thread::yield();
        }
    }
};

TEST_CASE("a loop that is stuck is read from outside, with a step as long as that",
          "[loop_histograms][threads]") {
    blocked_loop shared;
    loop l;
    const loop_histograms histograms(l);
    std::thread reader([&] {
        while (!shared.is_blocked) {
            std::this_thread::yield();
        }
        for (;;) {
            const auto row = row_of(histograms.read().by_name, "blocker");
            if (row.step.going_on.max() >= much) { break; }
        }
        const auto table = histograms.read();
        CHECK(coroutine_row(table, "block").step.going_on.count() == 1);
        CHECK(table.total().step.going_on.count() == 1);
        CHECK(row_of(table.by_name, "blocker").step.ended.count() == 1);
        shared.was_seen = true;
    });
    l.run_until_complete(l.create_task(shared.block(), "blocker"));
    reader.join();
    const auto row = row_of(histograms.read().by_name, "blocker");
    CHECK(row.step.ended.count() == 2);
    CHECK(row.step.ended.max() >= much);
    CHECK(row.step.going_on.count() == 0);
}

TEST_CASE("a sleeper that came due while a step blocked the loop is late since its deadline",
          "[loop_histograms][threads]") {
    blocked_loop shared;
    loop l;
    const loop_histograms histograms(l);
    std::thread reader([&] {
        while (!shared.is_blocked) {
            std::this_thread::yield();
        }
        // Nobody has woken the sleeper: the loop has not looked at its timers.
        while (row_of(histograms.read().by_name, "sleeper").delay.going_on.max() < much) {}
        shared.was_seen = true;
    });
    const auto blocker = l.create_task(shared.block());
    struct body {
        static coro<> run() { co_await sleep_for(1ms); }
    };
    l.run_until_complete(l.create_task(body::run(), "sleeper"));
    reader.join();
    const auto row = row_of(histograms.read().by_name, "sleeper");
    CHECK(row.delay.ended.count() == 2);
    CHECK(row.delay.ended.max() >= much);
    CHECK(row.wait.ended.count() == 1);
    CHECK(row.wait.ended.max() <= much / 4);  // 1 ms, whatever became of it later
}

TEST_CASE("many sleepers that come due in one long step are all late",
          "[loop_histograms][threads]") {
    constexpr std::uint64_t sleepers = 10;
    blocked_loop shared;
    loop l;
    const loop_histograms histograms(l);
    std::thread reader([&] {
        while (!shared.is_blocked) {
            std::this_thread::yield();
        }
        for (;;) {
            const auto late = row_of(histograms.read().by_name, "sleeper").delay.going_on;
            if (late.count() == sleepers && late.percentile(1) >= much) { break; }
        }
        shared.was_seen = true;
    });
    struct body {
        static coro<> run() { co_await sleep_for(1ms); }
    };
    for (std::uint64_t i = 0; i < sleepers; ++i) {
        l.create_task(body::run(), "sleeper");
    }
    const auto blocker = l.create_task(shared.block());
    l.run_until_complete(body::run());
    reader.join();
    l.run_until_complete(yield_often(2));
    const auto row = row_of(histograms.read().by_name, "sleeper");
    CHECK(row.delay.ended.count() == 2 * sleepers);
    // All first delays are short, so that the half above them is the late ones.
    CHECK(row.delay.ended.percentile(60) >= much);
}

TEST_CASE("what went on before counts from the attachment on", "[loop_histograms]") {
    event e;
    loop l;
    const auto task = l.create_task(wait_for_event(e), "waiter");
    l.run_until_complete(yield_often(2));
    while (read_tasks(l.id()).front().since_change < much) {}
    const loop_histograms histograms(l);
    const auto going_on = row_of(histograms.read().by_name, "waiter").wait.going_on;
    CHECK(going_on.count() == 1);
    CHECK(going_on.max() <= histograms.read().duration);
    l.call_soon([&] { e.set(); });
    l.run_until_complete(yield_often(3));
    const auto table = histograms.read();
    const auto waiter = row_of(table.by_name, "waiter");
    CHECK(waiter.wait.ended.max() + waiter.delay.ended.max() <= table.duration);
}

TEST_CASE("a step that reads itself has the age of this step", "[loop_histograms]") {
    loop l;
    const loop_histograms histograms(l);
    struct body {
        static coro<> run(const loop_histograms& h) {
            const auto began = step_clock::now();
            while (step_clock::between(began, step_clock::now()) < much) {}
            const auto before = step_clock::now();
            co_await yield_now();
            const auto ages = h.read().total().step.going_on;
            CHECK(ages.count() == 1);
            CHECK(ages.max() <= step_clock::between(before, step_clock::now()));
        }
    };
    l.run_until_complete(body::run(histograms));
}

TEST_CASE("tasks of one name and different coroutines are one row by name", "[loop_histograms]") {
    event e;
    loop l;
    const loop_histograms histograms(l);
    const auto first = l.create_task(yield_often(2), "worker");
    const auto second = l.create_task(wait_for_event(e), "worker");
    const auto third = l.create_task(wait_for_event(e));
    l.run_until_complete(yield_often(4));
    const auto table = histograms.read();
    const auto worker = row_of(table.by_name, "worker");
    CHECK(worker.step.ended.count() == 4);
    CHECK(worker.wait.going_on.count() == 1);
    CHECK(row_of(table.by_name, "(unnamed)").wait.going_on.count() == 1);
    CHECK(table.by_name.size() == 2);
    e.set();
    l.run_until_complete(yield_often(4));
}

TEST_CASE("a deadline that was before all time is late since the suspension", "[loop_histograms]") {
    loop l;
    const loop_histograms histograms(l);
    struct body {
        static coro<> run() { co_await sleep_until(time_point::min()); }
    };
    l.run_until_complete(body::run());
    const auto table = histograms.read();
    CHECK(table.total().delay.ended.max() <= table.duration);
}

TEST_CASE("names beyond the limit are counted together, and their coroutine knows them",
          "[loop_histograms]") {
    loop l;
    loop_histograms_options options;
    options.max_names = 3;
    const loop_histograms histograms(l, options);
    std::vector<task<>> tasks;
    for (int i = 0; i < 10; ++i) {
        tasks.push_back(l.create_task(yield_often(1), "request " + std::to_string(i)));
    }
    l.run_until_complete(yield_often(3));
    const auto table = histograms.read();
    CHECK(row_of(table.by_name, "request 0").step.ended.count() == 2);
    CHECK(row_of(table.by_name, "request 2").step.ended.count() == 2);
    CHECK(table.by_name.count("request 3") == 0);
    CHECK(row_of(table.by_name, "(other)").step.ended.count() == 14);
    CHECK(table.dropped == 14);
    CHECK(table.by_name.size() == 5);  // three, (other), (unnamed)
    CHECK(coroutine_row(table, "yield_often").step.ended.count() == 24);
    CHECK(table.by_coroutine.size() == 1);
}

TEST_CASE("coroutines beyond the limit are counted together", "[loop_histograms]") {
    event e;
    loop l;
    loop_histograms_options options;
    options.max_coroutines = 1;
    const loop_histograms histograms(l, options);
    const auto waiter = l.create_task(wait_for_event(e), "waiter");
    l.run_until_complete(set_event(e));
    const auto table = histograms.read();
    CHECK(coroutine_row(table, "wait_for_event").step.ended.count() == 2);
    CHECK(row_of(table.by_coroutine, "(other)").step.ended.count() == 5);
    CHECK(table.dropped == 5);
}

TEST_CASE("what goes on has no more rows than what has ended", "[loop_histograms]") {
    event e;
    loop l;
    loop_histograms_options options;
    options.max_names = 3;
    const loop_histograms histograms(l, options);
    std::vector<task<>> tasks;
    for (int i = 0; i < 20; ++i) {
        tasks.push_back(l.create_task(wait_for_event(e), "request " + std::to_string(i)));
    }
    const auto table = histograms.read();  // none has begun
    CHECK(table.by_name.size() <= 7);
    CHECK(table.total().delay.going_on.count() == 20);
    CHECK(row_of(table.by_name, "(other)").delay.going_on.count() >= 13);
    e.set();
    l.run_until_complete(yield_often(3));
}

TEST_CASE("more tasks than are remembered by id count all the same", "[loop_histograms]") {
    constexpr std::uint64_t many = 3000;
    loop l;
    const loop_histograms histograms(l);
    for (std::uint64_t i = 0; i < many; ++i) {
        l.create_task(yield_often(9));
    }
    l.run_until_complete(yield_often(12));
    const auto row = coroutine_row(histograms.read(), "yield_often");
    CHECK(row.step.ended.count() == many * 10 + 13);
    CHECK(row.delay.ended.count() == many * 10 + 13);
}

TEST_CASE("every value is in exactly one taking, also while it is recorded",
          "[loop_histograms][threads]") {
    constexpr int takings = 200;
    loop l;
    loop_histograms histograms(l);
    std::atomic<bool> is_done{false};
    std::vector<latency_table> taken(2);
    const auto take_often = [&](latency_table& sum) {
        for (int i = 0; i < takings; ++i) {
            const auto news = histograms.take();
            for (const auto& [key, row] : news.by_name) {
                sum.by_name[key].merge(row);
            }
        }
    };
    std::thread one([&] { take_often(taken[0]); });
    std::thread two([&] {
        take_often(taken[1]);
        one.join();
        is_done = true;
    });
    struct body {
        static coro<> run(std::atomic<bool>& done) {
            while (!done) {
                co_await yield_now();
            }
        }
    };
    l.run_until_complete(l.create_task(body::run(is_done), "runner"));
    two.join();
    auto sum = row_of(taken[0].by_name, "runner");
    sum.merge(row_of(taken[1].by_name, "runner"));
    sum.merge(row_of(histograms.take().by_name, "runner"));
    const auto whole = row_of(histograms.read().by_name, "runner");
    CHECK(whole.step.ended.count() > 0);
    CHECK(sum.step.ended.count() == whole.step.ended.count());
    CHECK(sum.step.ended.sum() == whole.step.ended.sum());
    CHECK(sum.delay.ended.count() == whole.delay.ended.count());
    CHECK(row_of(histograms.take().by_name, "runner").step.ended == histogram{});
}

TEST_CASE("several observers of pauses share a loop, and outlive it", "[loop_histograms]") {
    auto l = std::make_unique<loop>();
    const loop_histograms first(*l);
    const wait_profiler waits(*l);
    auto second = std::make_unique<loop_histograms>(*l);
    l->run_until_complete(yield_often(2));
    second.reset();
    l->run_until_complete(yield_often(2));
    l.reset();
    const auto total = first.read().total();
    CHECK(total.step.ended.count() >= 6);
    CHECK(total.step.going_on.count() == 0);
    CHECK(coroutine_row(first.read(), "yield_often").delay.ended.count() == 6);
}

}  // namespace
