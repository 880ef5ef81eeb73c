// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_candidate.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

using namespace coroscope;
using namespace coroscope::instrumentation;

TEST_CASE("a candidate says whom to hold, and until when") {
    raced_loop v;
    shared<int> x(0, "x");
    auto add = [](shared<int>& n) -> coro<> {
        co_await yield_now();
        const auto before = n.get();
        co_await yield_now();
        n.set(before + 1);
    };
    auto set = [](shared<int>& n) -> coro<> {
        n.set(5);
        co_return;
    };
    v.start(set(x), "writer");
    v.start(add(x), "adder");
    v.run();
    const auto candidates = v.races.candidates();
    REQUIRE(candidates.size() == 1);
    CHECK(candidates[0].what.rule == "stale-write");
    const schedule_policy::agent writer{v.tasks[0].id(), true};
    const schedule_policy::agent adder{v.tasks[1].id(), true};
    // The writer waits until the adder has read, which it does after its first await; the adder
    // does not go on from its second before the writer has begun.
    CHECK(candidates[0].holds
          == std::vector<race_hold>{{writer, 0, adder, 1}, {adder, 2, writer, 0}});
}

namespace {

constexpr await_site here() {
    return await_site::current();
}

}  // namespace

TEST_CASE("two uses that went wrong in the other order are told with both tasks and places") {
    const auto created = here();
    failed_reversal seen;
    seen.earlier.who = {2, true};
    seen.earlier.name = "listener";
    seen.earlier.created = creation_origin(created);
    seen.earlier.what = seen_use::thing::object;
    seen.earlier.where = here();
    seen.later.who = {3, true};
    seen.later.created = creation_origin(created);
    seen.later.what = seen_use::thing::object;
    seen.later.changes = true;
    seen.later.resumed_at = here();
    seen.holds = {{{2, true}, 1, {3, true}, 4}};
    const auto found = describe(seen);
    CHECK(found.rule == "unordered-uses");
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(
        found.message.starts_with("task 2 (listener) and task 3 use an object that synchronises, "
                                  "and nothing orders that: task 2 (listener) looked at it at "));
    CHECK(found.message.find(", and task 3 changed its state after ") != std::string::npos);
    CHECK(found.message.find("where the second of these comes first, the test fails. ")
          != std::string::npos);
    REQUIRE(found.evidence.size() == 9);
    CHECK(found.evidence[0].label == "variable");
    CHECK(found.evidence[1].label == "first task");
    CHECK(found.evidence[1].text.starts_with("task 2 (listener), created at "));
    CHECK(found.evidence[2].text.starts_with("task 3, created at "));
    CHECK(found.evidence[4].text == "in its first step");
    CHECK(found.evidence[6].text.starts_with("resumed from "));
    seen.earlier.mutex = 7;
    CHECK(describe(seen).message.find(" use mutex 7, and nothing orders that: ")
          != std::string::npos);
    CHECK(found.evidence[8].text
          == "hold task 2 (listener) before its await number 1 until task 3 has passed its await "
             "number 4");
}

TEST_CASE("of steps whose uses nobody has told, the awaits are told") {
    failed_reversal seen;
    seen.earlier.who = {2, true};
    seen.earlier.resumed_at = here();
    seen.later.who = {3, true};
    seen.later.resumed_at = here();
    const auto found = describe(seen);
    CHECK(found.rule == "unordered-steps");
    CHECK(found.message.starts_with("nothing orders two steps: task 2 went on after "));
    CHECK(found.where.line == seen.later.resumed_at.line());

    seen.later.resumed_at = {};
    seen.later.created = creation_origin(here());
    const auto begun = describe(seen);
    CHECK(begun.message.find(", and task 3 went on in its first step; ") != std::string::npos);
    CHECK(begun.where.line == seen.later.created.call().line());
}

TEST_CASE("two uses that went wrong in the order that was seen are told so") {
    failed_reversal seen;
    seen.earlier.who = {2, true};
    seen.earlier.what = seen_use::thing::data;
    seen.earlier.where = here();
    seen.later = seen.earlier;
    seen.later.who = {3, true};
    seen.later.changes = true;
    seen.holds = {{{2, true}, 0, {3, true}, 1}};
    seen.fails_as_seen = true;
    const auto found = describe(seen);
    CHECK(found.message.find("; in this order the test fails, and where the second of these comes "
                             "first it does not. Let the one await the other")
          != std::string::npos);
    CHECK(found.evidence.back().label == order_that_passes);
    CHECK(found.evidence.back().text
          == "hold task 2 before its beginning until task 3 has passed its await number 1");
}

TEST_CASE("what had to be turned round before is told as well") {
    failed_reversal seen;
    seen.earlier.who = {2, true};
    seen.earlier.what = seen_use::thing::data;
    seen.earlier.where = here();
    seen.later = seen.earlier;
    seen.later.who = {3, true};
    seen.holds = {{{2, true}, 0, {3, true}, 1}};
    auto before = seen;
    before.earlier.who = {4, true};
    before.later.changes = true;
    before.holds = {{{4, true}, 2, {3, true}, 0}};
    seen.also = {before};
    const auto found = describe(seen);
    INFO(found.message);
    CHECK(found.message.find("; where the second of these comes first, once task 3 changed it at ")
          != std::string::npos);
    CHECK(found.message.find(" before task 4 read it at ") != std::string::npos);
    CHECK(found.message.find(", the test fails. ") != std::string::npos);
    const auto size = found.evidence.size();
    REQUIRE(size > 3);
    CHECK(found.evidence[size - 3].label == "turned round as well");
    CHECK(found.evidence[size - 2].text
          == "hold task 4 before its await number 2 until task 3 has passed its beginning");
    CHECK(found.evidence[size - 1].label == "schedule");
}
