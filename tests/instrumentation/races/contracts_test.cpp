// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/contracts.hpp>

#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

coro<> use(single_task<int>& value) {
    ++value.get();
    co_await yield_now();
    ++value.get();
}

}  // namespace

TEST_CASE("what belongs to one task and is used by another is found") {
    raced_loop v;
    single_task<int> input(0, "input");
    v.start(use(input), "owner");
    v.start(use(input), "stranger");
    v.run();
    REQUIRE(v.rules() == rule_list{"single-task", "single-task"});  // two lines
    const auto found = v.races.findings()[0];
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(found.message.find("'input'") != std::string::npos);
    CHECK(found.message.find("(owner)") != std::string::npos);
    CHECK(found.message.find("(stranger)") != std::string::npos);
}

TEST_CASE("what is handed over belongs to the next task") {
    raced_loop v;
    single_task<int> input(0, "input");
    auto body = [](single_task<int>& value) -> coro<> {
        co_await use(value);
        value.hand_over();
        auto next = get_running_loop().create_task(use(value), "next");
        co_await next;
    };
    v.start(body(input), "owner");
    v.run();
    CHECK(v.rules().empty());
    CHECK(input.get() == 4);
}

TEST_CASE("what is confined to a loop throws on other threads", "[threads]") {
    raced_loop v;
    thread_pool_executor pool(1);
    loop_confined<int> sessions(1, "sessions");
    std::string why;
    auto body = [](loop_confined<int>& value, executor& in, std::string& text) -> coro<> {
        ++value.get();
        auto there = get_running_loop().run_in_executor(in, [&value] { ++value.get(); });
        try {
            co_await there;
        } catch (const std::logic_error& e) { text = e.what(); }
    };
    v.start(body(sessions, pool, why), "main");
    v.run();
    CHECK(why.find("sessions was called from thread") != std::string::npos);
    CHECK(sessions.get() == 2);
}
