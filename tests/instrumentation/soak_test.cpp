// SPDX-License-Identifier: Apache-2.0
// A program that goes on for long, with everything on, takes no more memory than at its beginning.
// Takes seconds, so it is hidden: scripts/assure runs it.
#include <coroscope/instrumentation/run_report.hpp>

#include <coroscope/instrumentation/flight_recorder.hpp>
#include <coroscope/instrumentation/lints.hpp>
#include <coroscope/instrumentation/loop_load.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/instrumentation/stall_watchdog.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <malloc.h>
#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

#if defined(NDEBUG)
constexpr std::uint64_t first_part = 10'000'000;
#else
constexpr std::uint64_t first_part = 1'000'000;
#endif
constexpr std::uint64_t whole = first_part * 10;
constexpr std::int64_t most_growth = std::int64_t{1024} * 1024;

/// Without the freed memory that the allocator has kept, as far as it gives that back.
std::int64_t resident_bytes() {
    ::malloc_trim(0);
    std::ifstream file("/proc/self/statm");
    std::int64_t all = 0;
    std::int64_t resident = 0;
    file >> all >> resident;
    return resident * ::sysconf(_SC_PAGESIZE);
}

constexpr int workers = 100;
constexpr int yields = 100;
constexpr int polls = 1200;  // more than lints allow

coro<int> wait_and_yield(event& gate) {
    co_await gate.wait();
    for (int i = 0; i < yields; ++i) {
        co_await yield_now();
    }
    co_return 1;
}

coro<> sleep_once(duration how_long) {
    co_await sleep_for(how_long);
}

coro<> sleep_often() {
    for (int i = 0; i < 10; ++i) {
        co_await sleep_for(1ms);
    }
}

coro<> wait_and_fail(event& gate) {
    co_await gate.wait();
    throw std::runtime_error("disk full");
}

coro<> poll_too_often() {
    for (int i = 0; i < polls; ++i) {
        co_await yield_now();
    }
}

coro<> be_slow() {
    co_await yield_now();
    busy_wait(100us);
}

/// A round of everything that observers look at. What fails is retrieved.
coro<> play_round(profiler& timing) {
    auto& l = get_running_loop();
    event gate;
    auto timed = timing.profile_time("work", wait_and_yield);
    std::vector<task<int>> working;
    std::vector<task<>> others;
    for (int i = 0; i < workers; ++i) {
        working.push_back(l.create_task(timed(gate), "worker"));
    }
    for (int i = 0; i < 10; ++i) {
        others.push_back(l.create_task(sleep_often(), "sleeper"));
        others.push_back(l.create_task(wait_and_fail(gate), "failing"));
        others.push_back(l.create_task(sleep_once(1h), "cancelled"));
    }
    others.push_back(l.create_task(poll_too_often(), "poller"));
    others.push_back(l.create_task(be_slow(), "slow"));
    co_await sleep_for(1ms);
    gate.set();
    for (auto& one : working) {
        co_await one;
    }
    for (auto& one : others) {
        if (one.name() == "cancelled") { one.cancel(); }
        try {
            co_await one;
        } catch (const std::runtime_error&) {
            // As it should.
        } catch (const cancelled_error&) {
            // As it should.
        }
    }
}

/// Everything that can be on. What it keeps is full before the first part is over.
struct everything {
    everything() {
        collected.add(spotter).add(found).add(timing).add(v.loop);
        watchdog.attach_to(v.loop);
        spotter.attach_to(v.loop);
        found.attach_to(v.loop);
        v.loop.add_observer(recorder);
        v.loop.add_observer(load);
    }

    void play_until(std::uint64_t steps) {
        while (load.read().steps < steps) {
            v.loop.run_until_complete(v.loop.create_task(play_round(timing), "round"));
        }
    }

    /// A step that goes on until the watchdog has told of it.
    void stall() {
        has_stalled = false;
        v.loop.call_soon([this] {
            while (!has_stalled.load()) {}
        });
        v.loop.run_until_complete(v.loop.create_task(sleep_once(1ms), "after the stall"));
    }

    /// Reads all that was collected, as whoever looks at a running program does.
    report::report look() {
        static_cast<void>(recorder.dump());
        static_cast<void>(log_text(load.read()));
        return collected.make();
    }

    std::atomic<bool> has_stalled{false};
    stall_watchdog watchdog{[this] {
        stall_watchdog_options options;
        options.threshold = 100ms;
        options.reports_per_minute = 1'000'000;
        options.handler = [this](const instrumentation::stall&) {
            has_stalled = true;
        };
        return options;
    }()};
    slow_spotter spotter{[this] {
        slow_spotter_options options;
        options.threshold = 50us;
        options.capacity = 32;
        options.log = false;
        options.watchdog = &watchdog;
        return options;
    }()};
    lints found;
    flight_recorder recorder;
    loop_load load;
    profiler timing;
    run_report collected{"soak"};
    virtual_loop v;
};

}  // namespace

TEST_CASE("after ten times as many steps with everything on a program has not grown",
          "[.][stress][slow]") {
    everything on;
    const auto play_part = [&on](std::uint64_t until) {
        on.stall();
        on.play_until(until);
        const auto seen = on.look();
        CHECK(seen.slow_steps.size() == 32);
        CHECK_FALSE(seen.findings.empty());
        return resident_bytes();
    };
    const auto before = play_part(first_part);
    const auto after = play_part(whole);
    WARN("resident: " << before << " bytes after " << first_part << " steps, " << after - before
                      << " more after " << whole);
    CHECK(on.v.reported.empty());
    CHECK(on.watchdog.so_far().stalls >= 2);
    CHECK(on.recorder.overwritten() > first_part);
    CHECK(after - before <= most_growth);
}
