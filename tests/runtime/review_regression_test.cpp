// SPDX-License-Identifier: Apache-2.0
// Defects that a reading of the runtime found, each with the smallest program that showed it.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::loop;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

// Long enough for the loop to have gone to sleep meanwhile, on any machine that runs at all.
void keep_busy() {
    const auto end = std::chrono::steady_clock::now() + 5ms;
    while (std::chrono::steady_clock::now() < end) {}
}

coro<> wake_early_and_sleep_on(loop& here) {
    auto sleeper = here.create_task([]() -> coro<> {
        co_await coroscope::sleep_for(60ms);
    }());
    co_await here.run_in_executor(keep_busy);
    co_await sleeper;
}

struct circle {
    task<> first;
    task<> second;
};

coro<> await_through_a_gather(circle& c) {
    co_await coroscope::gather(c.second);
}

coro<> await_back(circle& c) {
    co_await c.first;
}

coro<> cancel_the_circle(circle& c) {
    auto& here = coroscope::get_running_loop();
    c.first = here.create_task(await_through_a_gather(c));
    c.second = here.create_task(await_back(c));
    co_await coroscope::yield_now();
    c.first.cancel();
    for (int pass = 0; pass < 8; ++pass) {
        co_await coroscope::yield_now();
    }
}

coro<std::string> text() {
    co_return std::string(100, 'x');
}

coro<> wait_and_look(std::size_t& waited, std::size_t& kept) {
    auto t = coroscope::get_running_loop().create_task(text());
    const auto result = co_await coroscope::wait_for(t, 1s);
    waited = result.size();
    kept = t.result().size();
}

coro<> fail_while_cancelled() {
    try {
        co_await coroscope::sleep_for(1h);
    } catch (const coroscope::cancelled_error&) { throw std::runtime_error("commit failed"); }
}

coro<> cancel_a_gather() {
    auto all = coroscope::gather(fail_while_cancelled());
    co_await coroscope::yield_now();
    all.cancel();
    try {
        co_await all;
    } catch (const coroscope::cancelled_error&) { co_return; }
}

coro<> put(std::vector<int>& into, int number) {
    into.push_back(number);
    co_return;
}

coro<> put_and_take_policy_away(std::vector<int>& into, loop& l) {
    into.push_back(3);
    l.set_schedule_policy(nullptr);
    l.stop();
    co_return;
}

class newest_first final : public coroscope::schedule_policy {
public:
    std::size_t pick(std::span<const choice> ready) override { return ready.size() - 1; }
};

}  // namespace

TEST_CASE("a wake-up before a timer is due does not make the loop spin until it is") {
    loop l;
    l.run_until_complete(wake_early_and_sleep_on(l));
    CHECK(l.statistics().polls < 100);
}

TEST_CASE("cancelling a circle of tasks that goes through a gather ends it") {
    circle c;
    coroscope::run(cancel_the_circle(c));
    CHECK(c.first.cancelled());
    CHECK(c.second.cancelled());
}

TEST_CASE("a task that was waited for by name keeps its result") {
    std::size_t waited = 0;
    std::size_t kept = 0;
    coroscope::run(wait_and_look(waited, kept));
    CHECK(waited == 100);
    CHECK(kept == 100);
    loop l;
    const auto t = l.create_task(text());
    CHECK(l.run_until_complete(t).size() == 100);
    CHECK(t.result().size() == 100);
}

TEST_CASE("what a child of a cancelled gather throws reaches the exception handler") {
    std::vector<std::string> told;
    coroscope::run_options options;
    options.prepare = [&told](loop& l) {
        l.set_exception_handler([&told](loop&, const coroscope::exception_context& context) {
            told.push_back(coroscope::describe(context.exception));
        });
    };
    coroscope::run(cancel_a_gather(), options);
    CHECK(told == std::vector<std::string>{"commit failed"});
}

TEST_CASE("a schedule policy may be taken away in the middle of a pass") {
    loop l;
    newest_first policy;
    std::vector<int> order;
    l.set_schedule_policy(&policy);
    l.create_task(put(order, 1));
    l.create_task(put(order, 2));
    l.create_task(put_and_take_policy_away(order, l));
    l.run_forever();
    CHECK(order == std::vector<int>{3, 1, 2});
}
