// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/races/shared.hpp>

#include "instrumentation/races/finding_parser.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

using dictionary = std::map<std::string, double>;

constexpr unsigned body_of_delayed_add = __LINE__;
coro<> delayed_add(duration delay, dictionary& d, std::string key, double value) {
    const auto old = d[key];
    co_await sleep_for(delay);
    d[key] = old + value;
}

coro<> add_after_delay(duration delay, dictionary& d, std::string key, double value) {
    if (d[key] < 0) { co_return; }
    co_await sleep_for(delay);
    d[key] += value;
}

coro<> locked_add(duration delay, dictionary& d, mutex& lock, std::string key, double value) {
    const auto held = co_await lock.scoped();
    const auto old = d[key];
    co_await sleep_for(delay);
    d[key] = old + value;
}

coro<> stay(std::map<int, int>& in, int id, duration begins_after, duration how_long) {
    co_await sleep_for(begins_after);
    in[id] = id;
    co_await sleep_for(how_long);
    in.erase(id);
}

[[nodiscard]] std::string line(unsigned of_body) {
    return "unannotated_races_test.cpp:" + std::to_string(body_of_delayed_add + of_body);
}

}  // namespace

TEST_CASE("a dictionary that is updated across a sleep is found with its four lines") {
    raced_loop r;
    dictionary d{{"value", 0}};
    r.start(delayed_add(2s, d, "value", 1), "slow");
    r.start(delayed_add(1s, d, "value", 1), "quick");
    r.run();
    CHECK(d["value"] == 1);
    const auto found = r.races.findings();
    REQUIRE(found.size() == 1);
    CHECK(found[0].rule == "stale-write");
    CHECK(finding_parser(found[0]).missing() == std::vector<std::string>());
    const auto& text = found[0].message;
    for (const auto& part : {"task 1 (slow) read"s, line(2), line(4), "task 2 (quick) wrote"s}) {
        INFO(part << " in " << text);
        CHECK(text.find(part) != std::string::npos);
    }
}

TEST_CASE("a dictionary that is read again after the sleep is fine") {
    raced_loop r;
    dictionary d{{"value", 0}};
    r.start(add_after_delay(2s, d, "value", 1), "slow");
    r.start(add_after_delay(1s, d, "value", 1), "quick");
    r.run();
    CHECK(d["value"] == 2);
    CHECK(r.rules().empty());
}

TEST_CASE("a dictionary whose last element is erased begins anew, whatever was read of it before") {
    raced_loop r;
    std::map<int, int> present;
    r.start(stay(present, 3, 0s, 1s), "alone");
    r.start(stay(present, 1, 2s, 1s), "with another");
    r.start(stay(present, 2, 2s, 2s), "the last");
    r.run();
    CHECK(present.empty());
    CHECK(r.rules().empty());
}

namespace {

coro<> add_to_table(std::unordered_set<int>& table, int key) {
    co_await sleep_for(1s);
    table.insert(key);
}

/// Looks at its table, and destroys it when others have changed it.
coro<> use_table() {
    std::unordered_set<int> table{7};
    co_await gather(add_to_table(table, 1), add_to_table(table, 2));
}

}  // namespace

TEST_CASE("a hash table that is destroyed begins anew as well") {
    raced_loop r;
    r.start(use_table(), "body");
    r.run();
    CHECK(r.rules().empty());
}

TEST_CASE("a dictionary that is updated under a lock is fine") {
    raced_loop r;
    dictionary d{{"value", 0}};
    mutex lock;
    r.start(locked_add(2s, d, lock, "value", 1), "slow");
    r.start(locked_add(1s, d, lock, "value", 1), "quick");
    r.run();
    CHECK(d["value"] == 2);
    CHECK(r.rules().empty());
}

namespace {

coro<> add_to(int& value, bool reads_again) {
    int old = 0;
    {
        const benign why("a first look");
        old = value;
    }
    if (reads_again) { old = value; }
    co_await yield_now();
    value = old + 1;
}

}  // namespace

TEST_CASE("what is read again after a benign scope is not benign") {
    const bool reads_again = GENERATE(true, false);
    raced_loop r;
    auto value = std::make_unique<int>(0);
    r.start(add_to(*value, reads_again), "one");
    r.start(add_to(*value, reads_again), "two");
    r.run();
    CHECK(*value == 1);
    CHECK(r.rules() == (reads_again ? rule_list{"stale-write"} : rule_list{}));
}
