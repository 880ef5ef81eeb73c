// SPDX-License-Identifier: Apache-2.0
// Live facts about profilers: profiles of this process, over the wire and without.
#include <coroscope/profiler_server/live_facts.hpp>

#include <coroscope/profiler_server/client.hpp>
#include <coroscope/profiler_server/server.hpp>

#include <coroscope/instrumentation/detail/allocation_feed.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/cpu_burning.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

using namespace coroscope;
using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using stats_server = coroscope::profiler_server::profiler_server;

namespace {

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

coro<> burn_until(std::atomic<bool>& done) {
    while (!done) {
        burn_cpu(1ms);
        co_await yield_now();
    }
}

std::stop_token stopped_already() {
    std::stop_source source;
    source.request_stop();
    return source.get_token();
}

/// Allocations are what the test tells of: nothing is hooked here.
class told_allocations {
public:
    told_allocations() { instrumentation::detail::memory_hooks_name = "told by a test"; }
    told_allocations(const told_allocations&) = delete;
    told_allocations& operator=(const told_allocations&) = delete;
    ~told_allocations() { instrumentation::detail::memory_hooks_name = nullptr; }

    static void tell(std::uintptr_t number, std::size_t size) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        const auto* const block = reinterpret_cast<const void*>(number * 16);
        instrumentation::detail::note_allocation(block, size, nullptr);
    }
};

coro<> allocate() {
    told_allocations::tell(1, 100);
    co_await yield_now();
    told_allocations::tell(2, 200);
}

no_facts_error::reason refusal_of(live_facts& facts) {
    try {
        (void)facts.cpu_profile({}, stopped_already());
    } catch (const no_facts_error& error) { return error.why(); }
    FAIL("there was a profile");
    return {};
}

std::int64_t cpu_of(const report::profile& profile, const std::string& task) {
    std::int64_t sum = 0;
    for (const auto& sample : profile.samples) {
        if (sample.task == task) { sum += sample.values.at(1); }
    }
    return sum;
}

}  // namespace

TEST_CASE("waits of several loops are one profile, also when profilers and loops are gone",
          "[server]") {
    std::shared_ptr<live_facts> facts;
    {
        loop a;
        loop b;
        const instrumentation::wait_profiler of_a(a);
        const instrumentation::wait_profiler of_b(b);
        facts = facts_about(a, of_a, of_b, b);
        a.run_until_complete(yield_often(3));
        b.run_until_complete(yield_often(4));
        CHECK(facts->wait_profile().kind == "wait");
    }
    const auto profile = facts->wait_profile();
    std::int64_t yields = 0;
    for (const auto& sample : profile.samples) {
        if (profile.frames[sample.stack.at(0)].function == "[yield]") {
            yields += sample.values[0];
        }
    }
    CHECK(yields == 7);
    CHECK(profile.duration > 0ns);
}

TEST_CASE("memory is told of by function and by place, also when the profilers are gone",
          "[server]") {
    const told_allocations hooks;
    std::shared_ptr<live_facts> facts;
    {
        instrumentation::memory_profiler memory;
        instrumentation::profiler p;
        instrumentation::profiler other;
        facts = facts_about(memory, p, other);
        memory.start();
        loop l;
        l.run_until_complete(p.profile_memory("allocate", allocate)());
        other.profile_memory("allocate", [] { told_allocations::tell(3, 50); })();
    }
    const auto table = facts->memory_stats(report::memory_key::task, {});
    CHECK(table.at("allocate").calls == 2);
    CHECK(table.at("allocate").total == report::memory_amounts{350, 3, 0, 0});
    const auto profile = facts->memory_profile();
    CHECK(profile.kind == "heap");
    CHECK(report::total(profile, 3) == 350);
    CHECK_THAT(profile.note, Contains("told by a test"));
}

TEST_CASE("CPU profiles are made where a profiler was shown, one at a time", "[server]") {
    const auto none = facts_about();
    CHECK(refusal_of(*none) == no_facts_error::reason::unavailable);
    std::shared_ptr<live_facts> facts;
    {
        const instrumentation::cpu_profiler shown;
        facts = facts_about(shown);
    }
    const auto profile = facts->cpu_profile({300s, 100}, stopped_already());
    CHECK(profile.kind == "cpu");
    if (!samples_cpu) { return; }
    CHECK(profile.period == 10'000'000);
    instrumentation::cpu_profiler busy;
    busy.start();
    CHECK(refusal_of(*facts) == no_facts_error::reason::busy);
    (void)busy.stop();
    CHECK_NOTHROW(facts->cpu_profile({}, stopped_already()));
}

TEST_CASE("a client sees which task of a busy loop computes", "[server][threads][integration]") {
    std::atomic<bool> done{false};
    instrumentation::cpu_profiler sampler;
    loop l;
    sampler.attach_to(l);
    const stats_server server(facts_about(l, sampler));
    std::thread runner([&] { l.run_until_complete(l.create_task(burn_until(done), "burner")); });
    const profiler_client client(server.host(), server.port(), {.timeout = 60s});
    auto profile = client.cpu_profile(1s).profile;
    while (samples_cpu && cpu_of(profile, "burner") == 0) {  // it was not scheduled meanwhile
        profile = client.cpu_profile(1s).profile;
    }
    done = true;
    runner.join();
    CHECK(profile.duration >= 1s);
    CHECK(profile.note.empty() == samples_cpu);
}
