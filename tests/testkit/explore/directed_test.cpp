// SPDX-License-Identifier: Apache-2.0
// Orders that a race detector names, by holds.

#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"
#include "testkit/explore/tiny_programs.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using coroscope::coro;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::replay;
using coroscope::testkit::strategy;
using coroscope::testkit::detail::candidate_source;
using coroscope::testkit::detail::directed_candidate;
using coroscope::testkit::detail::path_of_task;
using tiny::does;

namespace {

explore_options directed(std::vector<directed_candidate> candidates) {
    explore_options options;
    options.strategy = strategy::directed;
    options.seed = 1;
    options.candidates = [all = std::move(candidates)](const path_of_task&) {
        return all;
    };
    return options;
}

coro<> add(int& sum, int pauses) {
    for (int i = 0; i < pauses; ++i) {
        co_await coroscope::yield_now();
    }
    const int before = sum;
    co_await coroscope::yield_now();
    sum = before + 1;
}

/// In the default order the second begins when the first has ended.
coro<> two_additions() {
    int sum = 0;
    co_await coroscope::gather(add(sum, 0), add(sum, 3));
    if (sum != 2) { throw std::runtime_error("an update was lost"); }
}

}  // namespace

TEST_CASE("an order that is asked for is tried, and its holds are the schedule", "[explore]") {
    // The first is held where it has read, until the second has read too.
    const directed_candidate lost = {{{"0.0", 1}, {"0.1", 3}}};
    const directed_candidate harmless = {{{"0.1", 0}, {"0.0", 1}}};
    const auto found = explore(two_additions, directed({harmless, lost}));
    REQUIRE_FALSE(found.ok());
    CHECK(found.executions == 3);
    CHECK(found.failure->found_by == "directed holds");
    CHECK(found.failure->schedule == "co1:1:0.0@1-0.1@3");
    CHECK(found.failure->shrunk == "co1:1:0.0@1-0.1@3");
    CHECK_FALSE(replay(two_additions, found.failure->schedule).ok());
}

TEST_CASE("each order that is asked for is tried once", "[explore]") {
    const directed_candidate harmless = {{{"0.1", 0}, {"0.0", 1}}};
    const auto found = explore(two_additions, directed({harmless, harmless}));
    CHECK(found.ok());
    CHECK(found.executions == 2);
    CHECK_FALSE(found.exhausted);
    CHECK(explore(two_additions, directed({})).executions == 1);
}

TEST_CASE("a circle of locks closes where each waits before its second", "[explore]") {
    tiny::program opposite_locks;
    opposite_locks.roots = 2;
    opposite_locks.lists = {
        {{does::lock, 0}, {does::yield}, {does::lock, 1}, {does::unlock, 1}, {does::unlock, 0}},
        {{does::yield},
         {does::yield},
         {does::yield},
         {does::lock, 1},
         {does::yield},
         {does::lock, 0},
         {does::unlock, 0},
         {does::unlock, 1}}};
    const directed_candidate circle = {{{"0.0", 1}, {"0.1", 3}}, {{"0.1", 4}, {"0.0", 0}}};
    tiny::stage stage;
    const auto found =
        explore([&] { return tiny::run(stage, opposite_locks, nullptr); }, directed({circle}));
    REQUIRE_FALSE(found.ok());
    CHECK(found.executions == 2);
    CHECK(found.failure->result.failures.front().kind
          == coroscope::testkit::failure_kind::deadlock);
}

TEST_CASE("whoever is asked for orders is told the names of tasks", "[explore]") {
    std::vector<std::string> paths;
    auto options = directed({});
    options.candidates = [&](const path_of_task& path) {
        paths = {path(1), path(2), path(3)};
        return std::vector<directed_candidate>();
    };
    CHECK(explore(two_additions, options).ok());
    CHECK(paths == std::vector<std::string>{"0", "0.0", "0.1"});
}

TEST_CASE("a directed search needs orders, and is one searcher's work", "[explore]") {
    auto options = directed({});
    options.workers = 2;
    CHECK_THROWS_AS(explore(two_additions, options), std::invalid_argument);
    options.workers = 1;
    options.candidates = nullptr;
    CHECK_THROWS_AS(explore(two_additions, options), std::invalid_argument);
}
