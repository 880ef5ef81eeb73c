// SPDX-License-Identifier: Apache-2.0
// Calls of one name on several threads, and readers meanwhile.
#include <coroscope/instrumentation/profiler.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<int> wait_an_hour(int result) {
    co_await sleep_for(1h);
    co_return result;
}

int run_alone(coro<int> work) {
    virtual_loop v;
    return v.loop.run_until_complete(std::move(work));
}

report::time_stats stats_of(const profiler& p, const std::string& name) {
    return p.time_stats().at(name);
}

}  // namespace

TEST_CASE("a call may outlive its function and its profiler, and end in another thread",
          "[threads]") {
    auto work = std::make_unique<coro<int>>(profiler().profile_time("wait", wait_an_hour)(1));
    auto dropped = std::make_unique<coro<int>>(profiler().profile_time("wait", wait_an_hour)(2));
    std::thread([&] {
        CHECK(run_alone(std::move(*work)) == 1);
        dropped.reset();
    }).join();
    // What those two were counted in is freed now.
    CHECK(run_alone(profiler().profile_time("wait", wait_an_hour)(3)) == 3);
}

TEST_CASE("calls of one name on many threads are counted each", "[threads]") {
    constexpr int threads = 4;
    constexpr int calls = 5'000;
    profiler p({.recent_calls = 10});
    const auto timed = p.profile_time("odd", [](int n) {
        if (n % 2 == 0) { throw std::runtime_error("even"); }
    });
    std::vector<std::thread> callers;
    for (int i = 0; i < threads; ++i) {
        callers.emplace_back([&timed] {
            for (int n = 0; n < calls; ++n) {
                try {
                    timed(n);
                } catch (const std::runtime_error&) { continue; }
            }
        });
    }
    for (auto& each : callers) {
        each.join();
    }
    const auto stats = stats_of(p, "odd");
    CHECK(stats.calls == threads * calls);
    CHECK(stats.threw == threads * calls / 2);
    CHECK(stats.returned == threads * calls / 2);
    CHECK(stats.lengths.count() == stats.calls);
    CHECK(stats.lengths.sum() == stats.total);
    CHECK(stats.recent.size() == 10);
    CHECK(stats.recent_dropped == stats.calls - 10);
    const auto is_earlier = [](const auto& a, const auto& b) {
        return a.end < b.end;
    };
    CHECK(std::is_sorted(stats.recent.begin(), stats.recent.end(), is_earlier));
}

TEST_CASE("statistics can be read while other threads call", "[threads]") {
    profiler p;
    std::atomic<bool> done{false};
    std::thread caller([&] {
        virtual_loop v;
        auto timed = p.profile_time("wait", wait_an_hour);
        for (int i = 0; i < 200; ++i) {
            v.loop.run_until_complete(timed(i));
        }
        done.store(true);
    });
    std::uint64_t seen = 0;
    const auto plain = p.profile_time("twice", [](int n) { return 2 * n; });
    while (!done.load()) {
        plain(1);
        const auto table = p.time_stats();
        if (const auto row = table.find("wait"); row != table.end()) {
            CHECK(row->second.calls >= seen);
            CHECK(row->second.total == row->second.calls * std::chrono::nanoseconds(1h));
            seen = row->second.calls;
        }
    }
    caller.join();
    CHECK(stats_of(p, "wait").calls == 200);
}

TEST_CASE("what is read while calls end one after another is of one moment", "[threads]") {
    constexpr int reads = 500;
    profiler p;
    std::atomic<bool> is_over{false};
    std::thread caller([&] {
        virtual_loop v;
        const auto quick = p.profile_time("quick", [&v] { v.clock.advance(1us); });
        v.loop.call_soon([&] {
            while (!is_over.load()) {
                quick();
            }
        });
        v.loop.run_forever();
    });
    std::uint64_t seen = 0;
    for (int i = 0; i < reads;) {
        const auto table = p.time_stats();
        const auto row = table.find("quick");
        if (row == table.end() || row->second.calls == seen) { continue; }
        seen = row->second.calls;
        ++i;
        CHECK(row->second.returned == seen);
        CHECK(row->second.total == seen * std::chrono::nanoseconds(1us));
        CHECK(row->second.recent.size() + row->second.recent_dropped == seen);
        std::chrono::nanoseconds before =
            row->second.recent.empty() ? 0ns : row->second.recent.front().start - 1us;
        const bool are_in_order = std::all_of(
            row->second.recent.begin(), row->second.recent.end(), [&before](const auto& call) {
                return call.start == std::exchange(before, call.start) + 1us;
            });
        CHECK(are_in_order);
    }
    is_over.store(true);
    caller.join();
}
