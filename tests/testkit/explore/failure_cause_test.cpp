// SPDX-License-Identifier: Apache-2.0
// A test that fails in the order in which it is recorded: what is told of why.

#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

using namespace coroscope;
using namespace coroscope::testkit;
using namespace std::chrono_literals;
using instrumentation::shared;

namespace {

void expect(bool is_right, const char* what) {
    if (!is_right) { throw std::runtime_error(what); }
}

coro<> add_what_is_old(shared<int>& sum) {
    const auto before = sum.get();
    co_await yield_now();
    sum.set(before + 1);
}

coro<> lose_an_addition() {
    shared<int> sum(0, "sum");
    co_await gather(add_what_is_old(sum), add_what_is_old(sum));
    expect(sum.peek() == 2, "an addition is lost");
}

coro<> add_slowly(shared<int>& sum) {
    const auto before = sum.get();
    co_await sleep_for(1s);
    sum.set(before + 1);
}

coro<> sleep_for_the_same_time() {
    shared<int> sum(0, "sum");
    co_await gather(add_slowly(sum), add_slowly(sum));
    expect(sum.peek() == 2, "an addition is lost");
}

coro<> use(shared<bool>& is_open) {
    expect(is_open.get(), "it is not open");
    co_return;
}

coro<> open(shared<bool>& is_open) {
    is_open.set(true);
    co_return;
}

coro<> use_before_it_is_open() {
    shared<bool> is_open(false, "is_open");
    co_await gather(use(is_open), open(is_open));
}

coro<> never_open() {
    shared<bool> is_open(false, "is_open");
    shared<int> sum(0, "sum");
    co_await gather(add_slowly(sum), add_slowly(sum));
    co_await use(is_open);
}

[[nodiscard]] exploration hunt(coro<> (*body)()) {
    explore_options options;
    options.find_races = true;
    options.seed = 1;
    return explore(body, options);
}

[[nodiscard]] std::string text_of(const report::finding& f, const char* label) {
    const auto found = std::ranges::find(f.evidence, label, &report::evidence_item::label);
    return found != f.evidence.end() ? found->text : "";
}

}  // namespace

TEST_CASE("what a detector has seen in a run that failed is confirmed by an order that passes") {
    const auto found = hunt(lose_an_addition);
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "the recorded execution");
    CHECK(found.failure->number == 1);
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(race.rule == "stale-write");
    CHECK(race.verdict == report::verdict::confirmed);
    CHECK(text_of(race, "replay") == "co1:1:");
    CHECK(text_of(race, "order that passes").starts_with("hold task "));
    CHECK(found.failure->message.find("race, confirmed: ") != std::string::npos);
}

TEST_CASE("two steps but for whose order a run passes are what it failed by") {
    const auto found = hunt(use_before_it_is_open);
    REQUIRE_FALSE(found.ok());
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(race.rule == "unordered-uses");
    INFO(race.message);
    CHECK(race.message.find("; in this order the test fails, and where the second of these comes "
                            "first it does not. ")
          != std::string::npos);
    CHECK(text_of(race, "order that passes")
          == "hold task 2 before its beginning until task 3 has passed its beginning");
    CHECK(text_of(race, "schedule").empty());
}

TEST_CASE("where no order that is tried passes, a serial run does") {
    const auto found = hunt(sleep_for_the_same_time);
    REQUIRE_FALSE(found.ok());
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(race.rule == "stale-write");
    CHECK(text_of(race, "order that passes")
          == "a serial run: each task goes on for as long as it can");
}

TEST_CASE("what fails in every order has no race for a cause, whatever a detector has seen") {
    const auto found = hunt(never_open);
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->number == 1);
    CHECK(found.failure->findings.empty());
    REQUIRE_FALSE(found.findings.empty());
    CHECK(found.findings.front().verdict == report::verdict::predicted);
}

namespace {

coro<> fail_the_first_time() {
    static bool has_failed = false;
    shared<int> sum(0, "sum");
    co_await gather(add_what_is_old(sum), add_what_is_old(sum));
    const bool fails = !std::exchange(has_failed, true);
    expect(!fails, "a cache is filled");
}

}  // namespace

TEST_CASE("what fails once and never again is due to no order") {
    const auto found = hunt(fail_the_first_time);
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->number == 1);
    CHECK(found.failure->findings.empty());
}
