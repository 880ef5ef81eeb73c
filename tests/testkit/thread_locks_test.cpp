// SPDX-License-Identifier: Apache-2.0
// Locks of threads in tests, in a program that has them watched.
#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/lock_watch.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <mutex>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;

namespace {

[[nodiscard]] test_options failing_on_locks() {
    coroscope::instrumentation::watch_locks();
    test_options options;
    options.fail_on = {"mutex-across-suspension"};
    return options;
}

}  // namespace

TEST_CASE("a std::mutex that is held across a co_await fails a test that says so", "[run_test]") {
    std::mutex m;
    const auto body = [](std::mutex& of) -> coro<> {
        const std::lock_guard held(of);
        co_await coroscope::sleep_for(1s);
    };
    const auto result = run_test([&] { return body(m); }, failing_on_locks());
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == coroscope::testkit::failure_kind::rule);
    CHECK(
        result.failures[0].message.starts_with("mutex-across-suspension: task 1 (test) held a "
                                               "lock of its thread (a std::mutex, say) across "
                                               "the co_await at "));
    CHECK(result.virtual_elapsed == 1s);
}

TEST_CASE("a std::mutex between two co_awaits, and ours across one, are fine", "[run_test]") {
    std::mutex m;
    coroscope::mutex ours;
    const auto body = [](std::mutex& of, coroscope::mutex& across) -> coro<> {
        const auto held = co_await across.scoped();
        { const std::lock_guard briefly(of); }
        co_await coroscope::sleep_for(1s);
        { const std::lock_guard briefly(of); }
    };
    const auto result = run_test([&] { return body(m, ours); }, failing_on_locks());
    INFO(to_string(result));
    CHECK(result.ok());
}
