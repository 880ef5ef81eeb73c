// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/stall_watchdog.hpp>

#include <coroscope/instrumentation/slow.hpp>

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>

#include "instrumentation/observed_stall.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// A step waits here until the watchdog's handler lets it go on.
class gate {
public:
    void open() {
        const std::lock_guard lock(mutex_);
        is_open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_open_; });
        is_open_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_open_ = false;
};

loop_options quick_to_stall() {
    loop_options options;
    options.slow_callback_duration = 2ms;
    return options;
}

coro<> stand_still(gate& until) {
    co_await yield_now();
    until.pass();
    co_await yield_now();
}

coro<> yield_times(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

struct kept_stderr {
    kept_stderr() : before(std::cerr.rdbuf(text.rdbuf())) {}
    ~kept_stderr() { std::cerr.rdbuf(before); }
    kept_stderr(const kept_stderr&) = delete;
    kept_stderr& operator=(const kept_stderr&) = delete;
    std::ostringstream text;
    std::streambuf* before;
};

stall golden_stall() {
    stall made;
    made.step.loop_id = 2;
    made.step.task_id = 7;
    made.step.name = "serve";
    made.step.created_at = {"src/main.cpp", 20, "main"};
    made.step.from = {"src/gzip.cpp", 41, "docserver::read_file"};
    made.step.wall = 201ms;
    made.step.threshold = 100ms;
    made.step.cause.emplace();
    made.step.cause->verdict = report::step_verdict::blocked;
    made.step.cause->system_call = "read";
    made.step.cause->blocked = 200ms;
    made.times_threshold = 2;
    made.step.stack = report::stack{{{"read", "", 0, "/lib/libc.so.6", 0x10, false},
                                     {"docserver::fill", "src/gzip.cpp", 52, "server", 0x20, true},
                                     {"", "", 0, "", 0x30, false}},
                                    true};
    return made;
}

}  // namespace

TEST_CASE("an endless step is reported four times while it runs, and counts once", "[threads]") {
    gate until;
    std::vector<std::uint32_t> reported;
    std::vector<report::slow_step> steps;
    std::vector<task_view> tasks;
    stall_watchdog_options options;
    options.handler = [&](const stall& seen) {
        reported.push_back(seen.times_threshold);
        steps.push_back(seen.step);
        tasks = read_tasks(static_cast<std::uint32_t>(seen.step.loop_id));
        if (seen.times_threshold == 8) { until.open(); }
    };
    stall_watchdog watchdog(options);
    loop l(quick_to_stall());
    watchdog.attach_to(l);
    l.create_task(yield_times(1'000'000), "neighbour").cancel();
    const auto created_line = __LINE__ + 1;
    l.run_until_complete(l.create_task(stand_still(until), "endless"));

    CHECK(watchdog.so_far().stalls >= 1);
    REQUIRE_FALSE(reported.empty());
    CHECK(reported.back() == 8);
    CHECK(std::is_sorted(reported.begin(), reported.end()));
    const auto& last = steps.back();
    CHECK(last.kind == report::step_kind::task);
    CHECK(last.name == "endless");
    CHECK(last.created_at.line == created_line);
    CHECK(last.from.function.ends_with("stand_still"));
    CHECK(last.to.empty());
    CHECK(last.wall >= 16ms);
    CHECK(last.threshold == 2ms);
    CHECK(std::any_of(tasks.begin(), tasks.end(), [](const task_view& task) {
        return task.name == "endless" && task.state == task_state::running;
    }));
}

TEST_CASE("a callback that stands still is reported with the line that scheduled it", "[threads]") {
    gate until;
    report::slow_step seen;
    stall_watchdog_options options;
    options.handler = [&](const stall& news) {
        if (news.step.kind == report::step_kind::callback) { seen = news.step; }
        until.open();
    };
    stall_watchdog watchdog(options);
    loop l(quick_to_stall());
    watchdog.attach_to(l);
    const auto line = __LINE__ + 1;
    l.call_soon([&] {
        until.pass();
        l.stop();
    });
    l.run_forever();
    CHECK(seen.created_at.line == line);
    CHECK(seen.task_id == 0);
}

TEST_CASE("a loop that waits for something to do does not stall", "[threads]") {
    std::atomic<int> reports{0};
    stall_watchdog_options options;
    options.handler = [&](const stall&) {
        ++reports;
    };
    stall_watchdog watchdog(options);
    loop_options with;
    with.slow_callback_duration = 10s;
    loop l(with);
    watchdog.attach_to(l);
    std::uint64_t looks = 0;
    l.run_until_complete([](std::uint64_t& count) -> coro<> {
        for (; count < 20; ++count) {
            co_await sleep_for(1ms);
        }
    }(looks));
    CHECK(reports == 0);
    CHECK(watchdog.so_far().stalls == 0);
}

TEST_CASE("twenty thousand short steps are no stall", "[threads]") {
    stall_watchdog watchdog;
    loop_options with;
    with.slow_callback_duration = 10s;
    loop l(with);
    watchdog.attach_to(l);
    l.run_until_complete(yield_times(20'000));
    CHECK(watchdog.so_far().stalls == 0);
    CHECK(watchdog.so_far().thrown_away == 0);
}

TEST_CASE("of ten stalls against a limit of five, five are reported and five suppressed",
          "[threads]") {
    std::atomic<int> reports{0};
    stall_watchdog_options options;
    options.reports_per_minute = 5;
    options.handler = [&](const stall& seen) {
        if (seen.times_threshold == 1) { ++reports; }
    };
    std::uint64_t suppressed = 0;
    {
        stall_watchdog watchdog(options);
        loop l(quick_to_stall());
        watchdog.attach_to(l);
        for (std::uint64_t i = 1; i <= 10; ++i) {
            l.call_soon([&, i] {
                while (watchdog.so_far().stalls < i) {}
            });
        }
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
        suppressed = watchdog.so_far().suppressed;
        CHECK(watchdog.so_far().stalls == 10);
        watchdog.detach_from(l);
    }
    CHECK(suppressed == 5);
    CHECK(reports <= 5);
}

TEST_CASE("what was suppressed is told at the end, where reports go to standard error") {
    const kept_stderr err;
    {
        stall_watchdog_options options;
        options.reports_per_minute = 0;
        stall_watchdog watchdog(options);
        loop l(quick_to_stall());
        watchdog.attach_to(l);
        for (std::uint64_t i = 1; i <= 5; ++i) {
            l.call_soon([&, i] {
                while (watchdog.so_far().stalls < i) {}
            });
        }
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
        watchdog.detach_from(l);
    }
    CHECK(err.text.str()
          == "coroscope: 5 suppressed: stalls beyond the reports that a minute may have\n");
}

TEST_CASE("thresholds change while a step stands still", "[threads]") {
    gate until;
    stall_watchdog_options options;
    options.threshold = 1h;
    options.handler = [&](const stall& seen) {
        CHECK(seen.step.threshold == 3ms);
        until.open();
    };
    stall_watchdog watchdog(options);
    loop l(quick_to_stall());
    watchdog.attach_to(l);
    l.call_soon([&] {
        watchdog.set_threshold(3ms);
        until.pass();
        watchdog.set_threshold(1h);
        l.stop();
    });
    l.run_forever();
    CHECK(watchdog.so_far().stalls == 1);
}

TEST_CASE("the record of a slow step has what the watchdog saw", "[threads]") {
    gate until;
    stall_watchdog_options options;
    options.handler = [&](const stall& seen) {
        if (seen.step.name == "seen") { until.open(); }
    };
    stall_watchdog watchdog(options);
    slow_spotter spotter({.watchdog = &watchdog});
    loop l(quick_to_stall());
    watchdog.attach_to(l);
    spotter.attach_to(l);
    l.run_until_complete(l.create_task(stand_still(until), "seen"));
    const auto records = spotter.records();
    const auto found = std::find_if(records.begin(), records.end(), [](const auto& step) {
        return step.name == "seen" && step.cause.has_value();
    });
    REQUIRE(found != records.end());
    CHECK(found->cpu == found->cause->cpu);
    CHECK(found->wall >= found->cause->cpu);
    CHECK((found->stack.has_value() || !found->stack_trouble.empty()));
    CHECK(found->from.function.ends_with("stand_still"));
    CHECK(log_text(*found).starts_with("Executing <task 'seen' "));
}

TEST_CASE("a handler that throws is told of once, and watching goes on", "[threads]") {
    const kept_stderr err;
    {
        stall_watchdog_options options;
        options.handler = [](const stall&) {
            throw std::runtime_error("disk full");
        };
        stall_watchdog watchdog(options);
        loop l(quick_to_stall());
        watchdog.attach_to(l);
        for (std::uint64_t i = 1; i <= 3; ++i) {
            l.call_soon([&, i] {
                while (watchdog.so_far().stalls < i) {}
            });
        }
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
        watchdog.detach_from(l);
    }
    const auto text = err.text.str();
    const std::string once =
        "coroscope: the handler of a stall_watchdog threw; it is not called again: disk full\n";
    CHECK((text.empty() || text == once));  // a step may end before its report is made
}

TEST_CASE("a loop that does not measure its steps cannot be watched") {
    stall_watchdog watchdog;
    loop_options options;
    options.time_stats = false;
    loop l(options);
    CHECK_THROWS_WITH(watchdog.attach_to(l),
                      "a stall_watchdog cannot watch loop " + std::to_string(l.id())
                          + ", which does not measure its steps; make it with "
                            "loop_options::time_stats on");
}

TEST_CASE("a signal that does not exist is refused") {
    stall_watchdog_options options;
    options.signal_offset = 100;
    CHECK_THROWS_WITH(stall_watchdog(options),
                      Catch::Matchers::Contains("stall_watchdog_options::signal_offset is 100"));
}

TEST_CASE("a stall's text", "[golden]") {
    auto made = golden_stall();
    CHECK(stall_text(made)
          == "Executing <task 'serve' id=7 created at src/main.cpp:20> has taken 0.201 seconds so "
             "far\n"
             "  runs since: src/gzip.cpp:41 in docserver::read_file\n"
             "  created at: src/main.cpp:20 in main\n"
             "  blocked in the kernel: read (CPU 0.000 s, blocked 0.200 s, not scheduled 0.000 s)\n"
             "  threshold: 0.100 seconds, lasted 2 times that, loop 2\n"
             "  stack:\n"
             "    #0 read in /lib/libc.so.6\n"
             "    #1 docserver::fill at src/gzip.cpp:52\n"
             "    #2 ?\n"
             "    (truncated: the stack goes on)\n");
    made.step.stack.reset();
    made.step.stack_trouble = "the thread has ended";
    made.step.from = {};
    made.suppressed = 5;
    CHECK(stall_text(made)
          == "Executing <task 'serve' id=7 created at src/main.cpp:20> has taken 0.201 seconds so "
             "far\n"
             "  runs since: the coroutine's start\n"
             "  created at: src/main.cpp:20 in main\n"
             "  blocked in the kernel: read (CPU 0.000 s, blocked 0.200 s, not scheduled 0.000 s)\n"
             "  threshold: 0.100 seconds, lasted 2 times that, loop 2\n"
             "  5 suppressed: stalls before this one\n"
             "  no stack: the thread has ended\n");
}
