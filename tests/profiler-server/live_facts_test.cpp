// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/live_facts.hpp>

#include <coroscope/profiler_server/client.hpp>
#include <coroscope/profiler_server/server.hpp>

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using stats_server = coroscope::profiler_server::profiler_server;

namespace {

coro<int> answer(int n) {
    co_await yield_now();
    co_return n;
}

coro<> sleep_long() {
    co_await sleep_for(1h);
}

coro<> block(std::promise<void>& blocked, std::promise<void>& go_on) {
    co_await yield_now();
    blocked.set_value();
    go_on.get_future().wait();
}

profiler_client client_of(const stats_server& server) {
    return {server.host(), server.port()};
}

coro<> serve(std::promise<void>& blocked, std::promise<void>& go_on) {
    auto& l = get_running_loop();
    auto sleeper = l.create_task(sleep_long(), "sleeper");
    auto culprit = l.create_task(block(blocked, go_on), "culprit");
    co_await culprit;
}

/// A loop in a thread of its own, blocked by its task 'culprit' until it is told to go on.
class blocked_loop {
public:
    explicit blocked_loop(std::function<void(loop&)> prepare = {}) {
        thread_ = std::thread([this, prepare = std::move(prepare)]() mutable {
            run_options options;
            options.handle_sigint = false;
            options.prepare = [this, &prepare](loop& l) {
                if (prepare) { prepare(l); }
                server = std::make_unique<stats_server>(stats_server({l}));
            };
            run(serve(blocked_, go_on_), options);
        });
        blocked_.get_future().wait();
    }
    blocked_loop(const blocked_loop&) = delete;
    blocked_loop& operator=(const blocked_loop&) = delete;
    ~blocked_loop() { finish(); }

    void finish() {
        if (!thread_.joinable()) { return; }
        go_on_.set_value();
        thread_.join();
    }

    std::unique_ptr<stats_server> server;

private:
    std::promise<void> blocked_;
    std::promise<void> go_on_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("live facts are what the profiler, the spotter and the loop know", "[server]") {
    instrumentation::profiler p;
    instrumentation::slow_spotter spotter({.threshold = 0ns});
    std::shared_ptr<live_facts> facts;
    {
        loop l;
        spotter.attach_to(l);
        facts = facts_about(l, p, spotter);
        CHECK(facts->time_stats().empty());
        CHECK(facts->slow_steps().empty());
        CHECK(facts->tasks(10).tasks.empty());
        auto timed = p.profile_time("answer", answer);
        CHECK(l.run_until_complete(timed(4)) == 4);
        auto waiting = l.create_task(sleep_long(), "waiting");
        REQUIRE(facts->tasks(10).tasks.size() == 1);
        CHECK(facts->tasks(10).tasks[0].name == "waiting");
        CHECK(facts->tasks(0).omitted == 1);
        waiting.cancel();
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
    }
    CHECK(facts->time_stats().at("answer").calls == 1);
    CHECK(facts->slow_steps().size() >= 2);
    REQUIRE(facts->loop_stats().size() == 1);
    CHECK(facts->loop_stats()[0].steps >= 2);
    CHECK(facts->tasks(10).tasks.empty());
    CHECK(facts->findings().empty());
}

TEST_CASE("facts about no loop are about all loops", "[server]") {
    const loop a;
    const loop b;
    const auto facts = facts_about();
    CHECK(facts->loop_stats().size() >= 2);
    CHECK(facts_about(b)->loop_stats().size() == 1);
    CHECK(facts_about(a, b)->loop_stats().size() == 2);
}

TEST_CASE("statistics of two profilers are put together by name", "[server]") {
    instrumentation::profiler a;
    instrumentation::profiler b;
    a.profile_time("f", [] {})();
    b.profile_time("f", [] {})();
    b.profile_time("g", [] {})();
    const auto table = facts_about(a, b)->time_stats();
    CHECK(table.at("f").calls == 2);
    CHECK(table.at("f").recent.size() == 2);
    CHECK(table.at("g").calls == 1);
}

TEST_CASE("a server shows which task blocks its loop, and goes on when the loop is gone",
          "[server][threads][integration]") {
    blocked_loop l;
    const auto client = client_of(*l.server);
    const auto list = client.tasks();
    REQUIRE(list.tasks.size() == 3);
    CHECK(list.tasks[0].name == "main");
    CHECK(list.tasks[0].wait_object == "task 3 'culprit'");
    CHECK(list.tasks[1].name == "sleeper");
    CHECK(list.tasks[1].state == report::task_state::waiting);
    CHECK(list.tasks[1].wait_kind == "sleep");
    CHECK(list.tasks[1].parent_id == list.tasks[0].id);
    CHECK(list.tasks[2].name == "culprit");
    CHECK(list.tasks[2].state == report::task_state::running);
    CHECK(list.tasks[2].await_site.function.ends_with("block"));
    CHECK_FALSE(list.tasks[1].async_stack);
    const auto with_stacks = client.tasks(10, true).tasks;
    REQUIRE(with_stacks.size() == 3);
    REQUIRE(with_stacks[1].async_stack);
    CHECK(with_stacks[1].async_stack->frames.at(0).function.ends_with("sleep_long"));
    CHECK_FALSE(with_stacks[2].async_stack);
    REQUIRE(client.loop_stats().size() == 1);
    CHECK(client.loop_stats()[0].tasks == 3);

    l.finish();
    CHECK(client.tasks().tasks.empty());
    REQUIRE(client.loop_stats().size() == 1);
    CHECK(client.loop_stats()[0].steps >= 4);
    CHECK(client.time_stats().empty());
    CHECK(client.findings().empty());
}

TEST_CASE("a client reads the slow steps of a loop as findings", "[server][threads][integration]") {
    instrumentation::slow_spotter spotter({.threshold = 0ns});
    instrumentation::profiler p;
    loop l;
    spotter.attach_to(l);
    const stats_server server(facts_about(l, p, spotter));
    const auto client = client_of(server);
    CHECK(l.run_until_complete(p.profile_time("answer", answer)(1)) == 1);
    CHECK(client.slow_steps() == spotter.records());
    const auto findings = client.findings();
    REQUIRE(findings.size() == spotter.records().size());
    CHECK(findings.front().rule == "slow-step");
    CHECK(client.time_stats() == p.time_stats());
}
