// SPDX-License-Identifier: Apache-2.0
// The hash of what happened in a test: equal for equal runs, different for different ones.

#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <random>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;
using coroscope::testkit::this_test;

namespace {

coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
}

coro<> two_naps(coroscope::duration first, coroscope::duration second) {
    co_await coroscope::gather(nap(first), nap(second));
}

/// Everything a client does that retries with exponential back-off for a day.
coro<int> retry_for_a_day(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    auto& clock = this_test().clock();
    auto delay = coroscope::duration(1s);
    int attempts = 0;
    while (clock.elapsed() < 24h) {
        ++attempts;
        const auto limit = coroscope::duration(100ms);
        auto answer = this_test().loop().create_future<>();
        try {
            co_await coroscope::wait_for(answer, limit);
        } catch (const coroscope::timeout_error&) {  // NOLINT(bugprone-empty-catch): try again
        }
        const auto jitter = std::chrono::milliseconds(random() % 1000);
        co_await coroscope::sleep_for(delay + jitter);
        delay = std::min<coroscope::duration>(delay * 2, 1min);
    }
    co_return attempts;
}

coro<> checked_day(int& attempts) {
    attempts = co_await retry_for_a_day(this_test().seed());
}

}  // namespace

TEST_CASE("two runs of a day of retries are identical", "[run_test]") {
    test_options options;
    options.seed = 2024;
    int attempts = 0;
    const auto first = run_test([&] { return checked_day(attempts); }, options);
    const auto second = run_test([&] { return checked_day(attempts); }, options);
    INFO(to_string(first));
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    CHECK(attempts > 1400);
    CHECK(first.virtual_elapsed >= 24h);
    CHECK(first.event_log_hash == second.event_log_hash);
    CHECK(first.steps == second.steps);
    options.seed = 2025;
    CHECK(run_test([&] { return checked_day(attempts); }, options).event_log_hash
          != first.event_log_hash);
}

#if !defined(COROSCOPE_TEST_ADDRESS_SANITIZER) && !defined(COROSCOPE_TEST_THREAD_SANITIZER)
TEST_CASE("a day of retries takes less than 50 ms", "[run_test]") {
    // CPU time, because the machine may be busy; real time, because waiting takes none.
    const auto began = std::chrono::steady_clock::now();
    const auto cpu_began = std::clock();
    int attempts = 0;
    REQUIRE(run_test([&] { return checked_day(attempts); }).ok());
    const auto cpu_seconds =
        static_cast<double>(std::clock() - cpu_began) / static_cast<double>(CLOCKS_PER_SEC);
    CHECK(cpu_seconds < 0.05);
    CHECK(std::chrono::steady_clock::now() - began < 1s);
}
#endif

TEST_CASE("the hash tells runs apart", "[run_test]") {
    const auto hash = [](coroscope::duration a, coroscope::duration b) {
        return run_test([a, b] { return two_naps(a, b); }).event_log_hash;
    };
    const auto reference = hash(1s, 2s);
    CHECK(hash(1s, 2s) == reference);
    CHECK(hash(2s, 1s) != reference);
    CHECK(hash(1s, 3s) != reference);
    CHECK(hash(1s, 1s) != reference);
}

TEST_CASE("the hash knows nothing of real time", "[run_test]") {
    const auto slow = [](coroscope::duration work) {
        const auto body = [](coroscope::duration real) -> coro<> {
            for (int i = 0; i < 3; ++i) {
                const auto until = std::chrono::steady_clock::now() + real;
                while (std::chrono::steady_clock::now() < until) {}
                co_await two_naps(1s, 1s);
            }
        };
        test_options options;
        options.make_loop = [](const coroscope::loop_options& given) {
            auto settings = given;
            settings.slow_callback_duration = 1ms;  // slow steps are delivered at once
            return std::make_unique<coroscope::loop>(settings);
        };
        return run_test([&] { return body(work); }, options).event_log_hash;
    };
    CHECK(slow(0ms) == slow(2ms));
}
