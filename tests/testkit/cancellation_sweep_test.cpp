// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/cancellation_sweep.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::explore_cancellations;
using coroscope::testkit::explore_options;
using coroscope::testkit::failure_kind;
using coroscope::testkit::this_test;

namespace {

coro<> hold_for(coroscope::mutex& m, coroscope::duration d) {
    const auto lock = co_await m.scoped();
    co_await coroscope::sleep_for(d);
}

/// Stands being cancelled anywhere.
coro<> well_behaved() {
    coroscope::mutex m;
    co_await coroscope::sleep_for(1s);
    co_await coroscope::gather(hold_for(m, 1s), hold_for(m, 2s));
    const auto lock = co_await m.scoped();
}

coro<> wait_long() {
    co_await coroscope::sleep_for(2h);
}

/// Cancelled before it awaits it, it leaves a task behind.
coro<> leaves_a_task() {
    auto waiting = this_test().loop().create_task(wait_long(), "waits");
    co_await coroscope::yield_now();
    co_await coroscope::sleep_for(1h);
    co_await waiting;
}

/// Locks without a guard: cancelled while it has the lock, its successor waits for ever.
coro<> keeps_the_lock(coroscope::mutex& m) {
    co_await m.lock();
    co_await coroscope::sleep_for(1s);
    m.unlock();
}

coro<> lock_after_a_cancellation() {
    coroscope::mutex m;
    auto first = this_test().loop().create_task(keeps_the_lock(m));
    try {
        co_await first;
    } catch (const coroscope::cancelled_error&) {}
    const auto lock = co_await m.scoped();
}

/// Another exception takes the place of the cancellation.
coro<> replaces_the_cancellation() {
    try {
        co_await coroscope::sleep_for(1s);
    } catch (const coroscope::cancelled_error&) { throw std::runtime_error("oh no"); }
}

coro<> ignores_the_cancellation() {
    try {
        co_await coroscope::sleep_for(1s);
    } catch (const coroscope::cancelled_error&) {}
}

coro<> fails_anyway() {
    throw std::runtime_error("fails anyway");
    co_return;
}

}  // namespace

TEST_CASE("a test that can be cancelled everywhere is cancelled after each step", "[explore]") {
    const auto swept = explore_cancellations(well_behaved);
    CAPTURE(to_string(swept));
    CHECK(swept.ok());
    CHECK(swept.cancellations >= 6);
    CHECK(swept.ignored == 0);
}

TEST_CASE("what is left behind by a cancellation is reported with its place", "[explore]") {
    const auto swept = explore_cancellations(leaves_a_task);
    CAPTURE(to_string(swept));
    REQUIRE(swept.failures.size() == 2);  // at the yield, and in the sleep
    for (const auto& failure : swept.failures) {
        CHECK(failure.was_cancelled);
        CHECK(failure.result.failures.at(0).kind == failure_kind::leaked_task);
    }
    // The test begins in step 1, the other task in step 2, and the test goes on in step 3.
    CHECK(swept.failures[0].step == 1);
    CHECK(swept.failures[1].step == 3);
    CHECK(swept.failures[1].where.line() == swept.failures[0].where.line() + 1);
    CHECK(to_string(swept).find("cancelled at ") == 0);
    CHECK(to_string(swept).find("(waits)") != std::string::npos);
}

TEST_CASE("a lock that a cancelled task has kept is a deadlock", "[explore]") {
    const auto swept = explore_cancellations(lock_after_a_cancellation);
    CAPTURE(to_string(swept));
    REQUIRE(swept.failures.size() == 1);
    CHECK(swept.failures[0].result.failures.at(0).kind == failure_kind::deadlock);
}

TEST_CASE("an exception in place of the cancellation is a failure, a result is not", "[explore]") {
    const auto replaced = explore_cancellations(replaces_the_cancellation);
    REQUIRE(replaced.failures.size() == 1);
    CHECK(to_string(replaced).find("oh no") != std::string::npos);
    const auto ignored = explore_cancellations(ignores_the_cancellation);
    CHECK(ignored.ok());
    CHECK(ignored.ignored == 1);
}

TEST_CASE("a test that fails as it is is not cancelled", "[explore]") {
    const auto swept = explore_cancellations(fails_anyway);
    REQUIRE(swept.failures.size() == 1);
    CHECK_FALSE(swept.failures[0].was_cancelled);
    CHECK(swept.cancellations == 0);
    CHECK(to_string(swept).find("without being cancelled") == 0);
}

TEST_CASE("the number of cancellations can be bounded", "[explore]") {
    explore_options options;
    options.max_executions = 2;
    CHECK(explore_cancellations(well_behaved, options).cancellations == 2);
}
