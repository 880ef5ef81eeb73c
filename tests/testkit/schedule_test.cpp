// SPDX-License-Identifier: Apache-2.0
// How schedules are written and followed.

#include "explore/schedule.hpp"

#include "support/catch.hpp"
#include "testkit/interleaved_tasks.hpp"

#include "explore/agent_tree.hpp"
#include "explore/explored_environment.hpp"
#include "explore/make_strategy.hpp"
#include "explore/random_source.hpp"
#include "explore/run_schedule.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using coroscope::coro;
using namespace coroscope::testkit::detail;
using namespace std::chrono_literals;

namespace {

[[nodiscard]] std::string complaint_about(const std::string& text) {
    try {
        static_cast<void>(parse_schedule(text));
    } catch (const std::invalid_argument& e) { return e.what(); }
    return "none";
}

coro<> sleepers_and_callbacks() {
    auto& loop = coroscope::get_running_loop();
    auto sleeper = [](int n) -> coro<> {
        for (int i = 0; i < 3; ++i) {
            co_await coroscope::sleep_for(std::chrono::seconds(n % 2 + 1));
            coroscope::get_running_loop().call_soon([] {});
        }
    };
    std::vector<coroscope::task<>> tasks;
    for (int n = 0; n < 4; ++n) {
        tasks.push_back(loop.create_task(sleeper(n)));
    }
    co_await coroscope::gather(tasks);
}

}  // namespace

TEST_CASE("a schedule is one line, and read as it was written", "[schedule]") {
    schedule s;
    s.seed = 42;
    CHECK(to_text(s) == "co1:42:");
    CHECK(parse_schedule("co1:42:") == s);
    s.deviations = {{3, "0.2"}, {9, "0.1c1", true}, {9, "0.1"}, {17, "0.1c0"}, {18, "c3"}};
    s.faults = {{2, 0}, {17, 1}};
    s.holds = {{"0.1", 2, "0.2", 1}};
    CHECK(to_text(s) == "co1:42:2f0,3=0.2,9t0.1c1,9=0.1,17=0.1c0,17f1,18=c3,0.1@2-0.2@1");
    CHECK(parse_schedule(to_text(s)) == s);
}

TEST_CASE("what is no schedule is refused with the place and what was expected", "[schedule]") {
    CHECK(complaint_about("")
          == "not a schedule: ''; expected at character 1: it begins with 'co1:'");
    CHECK(complaint_about("co2:1:").find("of another version") != std::string::npos);
    CHECK(complaint_about("co1:x:")
          == "not a schedule: 'co1:x:'; expected at character 5: the seed is a whole number");
    CHECK(complaint_about("co1:1").find("':' after the seed") != std::string::npos);
    CHECK(complaint_about("co1:1:3").find("'f' or '=' after a step") != std::string::npos);
    CHECK(complaint_about("co1:1:3=").find("a task is named as in 0.2") != std::string::npos);
    CHECK(complaint_about("co1:1:3=0..1").find("a task is named as in 0.2") != std::string::npos);
    CHECK(complaint_about("co1:1:3=0.1;").find("',' between two entries") != std::string::npos);
    CHECK(complaint_about("co1:1:3=0.1,3=0.2").find("steps of deviations grow")
          != std::string::npos);
    CHECK(complaint_about("co1:1:3f1,3f1").find("faults are in order") != std::string::npos);
    CHECK(complaint_about("co1:1:0.1@2").find("'-' before the task") != std::string::npos);
    CHECK(complaint_about("co1:99999999999999999999:").find("the seed") != std::string::npos);
}

TEST_CASE("agents are named by who made them, and the same in each execution", "[schedule]") {
    agent_tree agents;
    const auto child = [&] {
        agents.restart();
        const auto body = agents.add(agent_tree::outside, true);
        agents.add(body, true);
        const auto second = agents.add(body, true);
        const auto callback = agents.add(second, false);
        return agents.add(callback, true);
    };
    const auto found = child();
    CHECK(agents.path(found) == "0.1c0.0");
    CHECK(agents.path(agent_tree::body) == "0");
    CHECK(agents.path(agents.add(agent_tree::outside, false)) == "c0");
    CHECK(child() == found);
    CHECK(hash_of_path("0.1c0.0") == agents.hash(found));
    CHECK(hash_of_path("0.1c0.1") != agents.hash(found));
    for (const auto* text : {"", ".", "0.", "x", "0c", "c", "0.1.", "0 1"}) {
        CHECK_FALSE(hash_of_path(text).has_value());
    }
}

TEST_CASE("a hold keeps a task where it stands until another has gone on", "[schedule]") {
    std::string order;
    const auto run = [&](const char* schedule) {
        order.clear();
        const auto body = [&order] {
            return tasks_of_steps(3, 3, &order);
        };
        CHECK(coroscope::testkit::replay(body, schedule).ok());
        return order;
    };
    CHECK(run("co1:1:") == "abcabcabc");
    CHECK(run("co1:1:0.0@1-0.1@2") == "abcbcbaca");  // a after b's third step
    CHECK(run("co1:1:0.0@0-0.2@0") == "bcabcabca");  // a does not begin before c
    // Each waits for the other: then one of them runs all the same.
    CHECK(run("co1:1:0.0@1-0.1@2,0.1@1-0.0@2,0.2@1-0.0@2") == "abcaabcbc");
}

TEST_CASE("a hundred of a hundred replays are the same, step for step", "[schedule]") {
    coroscope::testkit::test_options options;
    options.seed = 5;
    explored_environment in(options, coroscope::await_site::current());
    const explored_test test{sleepers_and_callbacks, 1'000};
    coroscope::testkit::explore_options chosen;
    chosen.strategy = coroscope::testkit::strategy::random_walk;
    const auto random = make_strategy(chosen, {});
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        std::vector<step_trace> first;
        in.driver().set_trace(&first);
        REQUIRE(in.run(*random, seed, test.max_steps, test.body).ok());
        in.driver().set_trace(nullptr);
        const auto written = to_text(in.driver().decided());
        for (int i = 0; i < 10; ++i) {
            // Another environment has seen nothing of what this one has.
            explored_environment other(options, coroscope::await_site::current());
            auto& environment = i % 2 == 0 ? in : other;
            const auto again = run_schedule(environment, test, parse_schedule(written));
            CHECK(again.divergence.empty());
            CHECK(to_text(again.decided) == written);
            CHECK(describe_divergence(environment.driver().agents(), first, again.trace).empty());
            REQUIRE(again.trace.size() == first.size());
            CHECK(again.result.event_log_hash == first.back().state_hash);
        }
    }
}

TEST_CASE("the hash of an execution is the same in each process, and with each compiler",
          "[schedule]") {
    coroscope::testkit::test_options options;
    options.seed = 5;
    explored_environment in(options, coroscope::await_site::current());
    const auto run =
        run_schedule(in, {sleepers_and_callbacks, 1'000}, parse_schedule("co1:5:2=0.3,5=0.2"));
    CHECK(run.divergence.empty());
    CHECK(run.result.event_log_hash == 1042464363974364696U);
}

TEST_CASE("random numbers are the same everywhere", "[schedule]") {
    random_source random(1234567);
    CHECK(random.next() == 6457827717110365317U);  // of the reference implementation
    CHECK(random.next() == 3203168211198807973U);
    for (int i = 0; i < 100; ++i) {
        CHECK(random.below(3) < 3);
    }
}
