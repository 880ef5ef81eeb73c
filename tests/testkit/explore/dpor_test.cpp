// SPDX-License-Identifier: Apache-2.0
// Partial order reduction, against depth first search on the same programs.

#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"
#include "testkit/explore/tiny_programs.hpp"
#include "testkit/interleaved_tasks.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <chrono>
#include <set>
#include <string>
#include <utility>

using coroscope::coro;
using coroscope::testkit::exploration;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::strategy;
using tiny::does;
using tiny::program;

namespace {

explore_options options_for(strategy s) {
    explore_options options;
    options.strategy = s;
    options.seed = 1;
    options.max_executions = 50'000;
    options.max_shrink_executions = 0;
    options.counts_classes = true;
    return options;
}

struct searched {
    exploration result;
    std::set<std::string> outcomes;
};

searched search(const program& what, strategy s) {
    searched found;
    tiny::stage stage;
    const auto body = [&] {
        return tiny::run(stage, what, &found.outcomes);
    };
    found.result = explore(body, options_for(s));
    return found;
}

/// The two searches agree: the same outcomes, the same number of classes, or both fail. Returns
/// executions of the reduced search, and classes.
std::pair<double, double> compare(const program& what) {
    INFO(tiny::to_text(what));
    const auto all = search(what, strategy::depth_first);
    const auto reduced = search(what, strategy::dpor);
    INFO(to_string(all.result));
    INFO(to_string(reduced.result));
    REQUIRE(all.result.ok() == reduced.result.ok());
    if (!all.result.ok()) { return {0, 0}; }
    REQUIRE(all.result.exhausted);
    REQUIRE(reduced.result.exhausted);
    CHECK(all.outcomes == reduced.outcomes);
    CHECK(all.result.coverage.classes == reduced.result.coverage.classes);
    return {static_cast<double>(reduced.result.executions),
            static_cast<double>(all.result.coverage.classes)};
}

/// The same list for each of so many tasks.
program tasks_of(int tasks, const tiny::task_list& list) {
    program made;
    made.roots = static_cast<std::size_t>(tasks);
    made.lists.assign(made.roots, list);
    return made;
}

coro<> yield_in_locks(int times) {
    coroscope::mutex mine;
    for (int i = 0; i < times; ++i) {
        const auto lock = co_await mine.scoped();
        co_await coroscope::yield_now();
    }
}

coro<> create_in(coroscope::task_group& group) {
    group.create_task(yield_in_locks(2));
    group.create_task(yield_in_locks(2));
    co_return;
}

coro<> grouped() {
    coroscope::task_group group;
    co_await group.run(create_in(group));
}

coro<> gathered() {
    co_await coroscope::gather(yield_in_locks(3), yield_in_locks(2), yield_in_locks(1));
}

coro<> asleep_for(int seconds) {
    co_await coroscope::sleep_for(std::chrono::seconds(seconds));
}

coro<> asleep_together() {
    co_await coroscope::gather(asleep_for(1), asleep_for(1), asleep_for(2));
}

coro<> change_in_lock(int& unseen, coroscope::mutex& m, int to) {
    const auto lock = co_await m.scoped();
    unseen = to;
}

coro<> look_without(const int& unseen) {
    co_await coroscope::yield_now();
    if (unseen != 0) { co_await coroscope::yield_now(); }
    co_await coroscope::yield_now();
}

coro<> hidden() {
    int unseen = 0;
    coroscope::mutex m;
    co_await coroscope::gather(change_in_lock(unseen, m, 1), look_without(unseen),
                               change_in_lock(unseen, m, 2));
}

}  // namespace

TEST_CASE("tasks that have nothing to do with each other need one schedule", "[explore]") {
    const auto plain = [] {
        return tasks_of_steps(4, 3);
    };
    for (const auto& found : {explore(plain, options_for(strategy::dpor)),
                              explore(grouped, options_for(strategy::dpor)),
                              explore(gathered, options_for(strategy::dpor)),
                              explore(asleep_together, options_for(strategy::dpor))}) {
        INFO(to_string(found));
        CHECK(found.ok());
        CHECK(found.exhausted);
        CHECK(found.executions == 1);
        CHECK(found.coverage.classes == 1);
    }
}

TEST_CASE("steps at different instants are ordered", "[explore]") {
    program late_and_later;
    late_and_later.roots = 2;
    late_and_later.lists = {{{does::sleep, 1}, {does::write, 0}},
                            {{does::sleep, 2}, {does::read, 0}}};
    const auto found = search(late_and_later, strategy::dpor);
    CHECK(found.result.exhausted);
    CHECK(found.result.executions == 1);
}

TEST_CASE("reduced searches reach what depth first search reaches, class by class", "[explore]") {
    // The second is how many classes there are; -1: as many as depth first search says.
    const std::pair<program, int> programs[] = {
        // Of two writers there are two orders, of readers one, of a writer among two readers four.
        {tasks_of(2, {{does::write, 0}}), 2},
        {tasks_of(3, {{does::read, 0}}), 1},
        {{{{{does::write, 0}}, {{does::read, 0}}, {{does::read, 0}}}, 3}, 4},
        // Three who follow each other through a lock.
        {tasks_of(3, {{does::lock, 0}, {does::yield}, {does::write, 0}, {does::unlock, 0}}), -1},
        // The lost update.
        {tasks_of(2, {{does::read, 0}, {does::yield}, {does::write, 0}}), -1},
        {tasks_of(3, {{does::read, 0}, {does::yield}, {does::write, 0}}), -1},
        // Producers and consumers.
        {{{{{does::put}, {does::yield}, {does::put}},
           {{does::await_item}, {does::write, 0}},
           {{does::await_item}, {does::write, 0}}},
          3},
         -1},
        // A notification that nobody misses.
        {{{{{does::lock, 0}, {does::set, 0}, {does::unlock, 0}, {does::write, 0}},
           {{does::wait, 0}, {does::read, 0}},
           {{does::wait, 0}, {does::write, 1}}},
          3},
         -1},
        // Permits.
        {tasks_of(3, {{does::down}, {does::yield}, {does::write, 0}, {does::up}}), -1},
        // Children, which are awaited.
        {{{{{does::spawn, 2}, {does::write, 0}},
           {{does::write, 0}, {does::spawn, 3}},
           {{does::write, 1}},
           {{does::read, 1}}},
          2},
         -1},
        // Timers of one instant, and of the next.
        {tasks_of(3, {{does::sleep, 1}, {does::write, 0}, {does::sleep, 1}, {does::read, 1}}), -1},
        // Fault points, callbacks, cancellation.
        {tasks_of(2, {{does::fault}, {does::write, 0}}), 8},
        {tasks_of(2, {{does::post, 0}, {does::post, 0}}), -1},
        {{{{{does::yield}, {does::sleep, 1}, {does::write, 0}}, {{does::cancel, 0}}}, 2}, -1},
    };
    for (const auto& [each, classes] : programs) {
        const auto [executions, classes_found] = compare(each);
        INFO(tiny::to_text(each));
        if (classes >= 0) { CHECK(classes_found == classes); }
        CHECK(executions <= 1.5 * classes_found);
    }
}

TEST_CASE("reduced searches agree with depth first search on random programs", "[explore]") {
    constexpr std::uint64_t programs = 60;
    double executions = 0;
    double classes = 0;
    for (std::uint64_t seed = 0; seed < programs; ++seed) {
        INFO("seed " << seed);
        const auto [its_executions, its_classes] = compare(tiny::random_program(seed));
        executions += its_executions;
        classes += its_classes;
    }
    CHECK(classes > 200);
    CHECK(executions <= 1.5 * classes);
}

TEST_CASE("what hangs in few orders is found in few executions", "[explore]") {
    program opposite_locks;
    opposite_locks.roots = 2;
    for (const int first : {0, 1}) {
        opposite_locks.lists.push_back({{does::read, 2},
                                        {does::lock, first},
                                        {does::yield},
                                        {does::lock, 1 - first},
                                        {does::unlock, 1 - first},
                                        {does::unlock, first}});
    }
    const auto hangs = search(opposite_locks, strategy::dpor);
    INFO(to_string(hangs.result));
    REQUIRE_FALSE(hangs.result.ok());
    CHECK(hangs.result.failure->result.failures.front().kind
          == coroscope::testkit::failure_kind::deadlock);
    CHECK(hangs.result.executions <= 7);

    // A notification that comes too early is missed.
    program missed;
    missed.roots = 2;
    missed.lists = {{{does::wait_notified}}, {{does::notify}}};
    CHECK_FALSE(search(missed, strategy::depth_first).result.ok());
    CHECK_FALSE(search(missed, strategy::dpor).result.ok());
}

TEST_CASE("state that nobody reports is noticed where steps differ after the same history",
          "[explore]") {
    const auto found = explore(hidden, options_for(strategy::dpor));
    REQUIRE_FALSE(found.ok());
    INFO(to_string(found));
    CHECK(found.failure->message.find("un-annotated shared state") != std::string::npos);
    CHECK_FALSE(found.exhausted);
}

TEST_CASE("a reduced search is one searcher's work", "[explore]") {
    auto options = options_for(strategy::dpor);
    options.shard = {1, 2};
    CHECK_THROWS_AS(explore(gathered, options), std::invalid_argument);
    options.shard = {};
    options.workers = 2;
    CHECK_THROWS_AS(explore(gathered, options), std::invalid_argument);
}

TEST_CASE("what was tried is told in classes", "[explore]") {
    const auto two = tasks_of(2, {{does::write, 0}});
    const auto found = search(two, strategy::dpor);
    CHECK(to_string(found.result).find("2 classes; every order was tried") != std::string::npos);
    auto options = options_for(strategy::depth_first);
    options.counts_classes = false;
    tiny::stage stage;
    CHECK(explore([&] { return tiny::run(stage, two, nullptr); }, options).coverage.classes == 0);
}
