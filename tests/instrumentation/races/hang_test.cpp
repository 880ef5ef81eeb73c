// SPDX-License-Identifier: Apache-2.0
// What a detector says of tasks that wait for ever.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<> notify(condition& c) {
    const auto lock = co_await c.scoped();
    c.notify_all();
}

coro<> wait_blindly(condition& c) {
    co_await sleep_for(1s);
    const auto lock = co_await c.scoped();
    co_await c.wait();
}

coro<> pulse(event& e) {
    e.set();
    e.clear();
    co_return;
}

coro<> wait_for_pulse(event& e) {
    co_await sleep_for(1s);
    co_await e.wait();
}

}  // namespace

TEST_CASE("a signal that came before the wait is a lost wake-up") {
    condition c;  // outlive the tasks that wait
    event e;
    raced_loop v;
    SECTION("of a condition") {
        v.start(notify(c), "signaller");
        v.start(wait_blindly(c), "waiter");
    }
    SECTION("of an event that was cleared") {
        v.start(pulse(e), "signaller");
        v.start(wait_for_pulse(e), "waiter");
    }
    v.run();
    CHECK(v.rules().empty());
    v.races.note_hang();
    REQUIRE(v.rules() == rule_list{"lost-wakeup", "all-blocked"});
    const auto found = v.races.findings()[0];
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(found.message.find("(waiter) waits for ever") != std::string::npos);
    CHECK(found.message.find("(signaller) had given it") != std::string::npos);
}

TEST_CASE("a signal that nobody gave is not lost") {
    condition c;
    raced_loop v;
    v.start(wait_blindly(c), "waiter");
    v.run();
    v.races.note_hang();
    CHECK(v.rules() == rule_list{"all-blocked"});
}
