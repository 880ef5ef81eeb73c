// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/schedule_policy.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using coroscope::coro;
using coroscope::loop;
using coroscope::schedule_policy;
using namespace std::chrono_literals;

namespace {

/// Picks what the script says, then always the last of what is offered; keeps how much and what
/// that was.
class last_first final : public schedule_policy {
public:
    [[nodiscard]] std::size_t pick(std::span<const choice> ready) override {
        sizes.push_back(ready.size());
        kinds += ready.back().is_task ? 't' : 'c';
        const auto step = sizes.size() - 1;
        return step < script.size() ? script[step] : ready.size() - 1;
    }
    void on_created(const agent& what, const agent& by) noexcept override {
        created.emplace_back(what, by);
    }
    std::vector<std::size_t> script;
    std::vector<std::size_t> sizes;
    std::string kinds;
    std::vector<std::pair<agent, agent>> created;
};

/// A loop under a policy, and what ran on it in which order.
struct observed_order {
    observed_order() { v.loop.set_schedule_policy(&policy); }
    ~observed_order() { v.loop.set_schedule_policy(nullptr); }
    observed_order(const observed_order&) = delete;
    observed_order& operator=(const observed_order&) = delete;

    [[nodiscard]] std::function<void()> note(std::string what) {
        return [this, what] {
            ran += what;
        };
    }
    std::string run() {
        v.loop.run_forever();
        return ran;
    }

    virtual_loop v;
    last_first policy;
    std::string ran;
};

coro<> say(observed_order& o, std::string what) {
    o.ran += what;
    co_return;
}

coro<> say_after(observed_order& o, std::string what, coroscope::duration delay) {
    co_await coroscope::sleep_for(delay);
    o.ran += what;
}

coro<> post_two(observed_order& o, std::string what) {
    o.v.loop.call_soon(o.note(what + "1"));
    o.v.loop.call_soon(o.note(what + "2"));
    co_return;
}

}  // namespace

TEST_CASE("a schedule policy is offered everything that is ready, at each step") {
    observed_order o;
    auto spawner = [](observed_order& to) -> coro<> {
        to.ran += 'a';
        to.v.loop.create_task(say(to, "b"));
        co_await coroscope::yield_now();
        to.ran += 'c';
    };
    o.v.loop.create_task(spawner(o));
    o.v.loop.create_task(say(o, "d"));
    // The task that a policy without passes would not see: d is the last at first, then b and a's
    // next step have come meanwhile.
    CHECK(o.run() == "dacb");
    CHECK(o.policy.sizes == std::vector<std::size_t>{2, 1, 2, 1});
}

TEST_CASE("callbacks posted by one task keep their order; those of two tasks are free") {
    observed_order o;
    o.v.loop.create_task(post_two(o, "a"));
    o.v.loop.create_task(post_two(o, "b"));
    CHECK(o.run() == "b1b2a1a2");
    CHECK(o.policy.sizes == std::vector<std::size_t>{2, 2, 2, 1, 1, 1});
}

TEST_CASE("what is posted from outside keeps its order") {
    observed_order o;
    o.v.loop.call_soon(o.note("1"));
    o.v.loop.call_soon(o.note("2"));
    o.v.loop.call_soon(o.note("3"));
    CHECK(o.run() == "123");
    CHECK(o.policy.sizes == std::vector<std::size_t>{1, 1, 1});
}

TEST_CASE("a callback's posts keep their order, and are free of those of other callbacks") {
    observed_order o;
    auto post_callbacks = [](observed_order& to) -> coro<> {
        to.v.loop.call_soon([&to] { to.v.loop.call_soon(to.note("a")); });
        to.v.loop.call_soon([&to] { to.v.loop.call_soon(to.note("b")); });
        co_return;
    };
    o.v.loop.create_task(post_callbacks(o));
    o.policy.script = {0, 0, 0};  // the task, its two callbacks
    CHECK(o.run() == "ba");
}

TEST_CASE("a task's next step comes after the callbacks that it posted") {
    observed_order o;
    auto post_and_yield = [](observed_order& to) -> coro<> {
        to.v.loop.call_soon(to.note("callback "));
        co_await coroscope::yield_now();
        to.ran += "task";
    };
    o.v.loop.create_task(post_and_yield(o));
    CHECK(o.run() == "callback task");
}

TEST_CASE("a task that another one wakes is free of the callbacks that it posted") {
    observed_order o;
    coroscope::event go;
    auto post_and_wait = [](observed_order& to, coroscope::event& on) -> coro<> {
        to.v.loop.call_soon(to.note("callback"));
        co_await on.wait();
        to.ran += "task ";
    };
    auto set = [](coroscope::event& e) -> coro<> {
        e.set();
        co_return;
    };
    o.v.loop.create_task(set(go));
    o.v.loop.create_task(post_and_wait(o, go));
    o.policy.script = {1, 0};  // it waits, it is woken; then callback and task are there
    CHECK(o.run() == "task callback");
}

TEST_CASE("timers of several tasks for one instant are free") {
    observed_order o;
    o.v.loop.create_task(say_after(o, "a", 1s));
    o.v.loop.create_task(say_after(o, "b", 1s));
    o.v.loop.create_task(say_after(o, "c", 2s));
    CHECK(o.run() == "abc");
    CHECK(o.policy.sizes == std::vector<std::size_t>{3, 2, 1, 2, 1, 1});
}

TEST_CASE("timers that one task armed for one instant keep their order, its own sleep included") {
    observed_order o;
    auto arm = [](observed_order& to) -> coro<> {
        to.v.loop.call_later(1s, to.note("1"));
        to.v.loop.call_later(1s, to.note("2"));
        co_await coroscope::sleep_for(1s);
        to.ran += '3';
    };
    o.v.loop.create_task(arm(o));
    CHECK(o.run() == "123");
    CHECK(o.policy.sizes == std::vector<std::size_t>{1, 1, 1, 1});
}

TEST_CASE("overdue timers of an earlier instant come before those of a later one") {
    observed_order o;
    auto arm = [](observed_order& to) -> coro<> {
        to.v.loop.call_later(1s, to.note("1"));
        co_return;
    };
    auto arm_later = [](observed_order& to) -> coro<> {
        to.v.loop.call_later(2s, to.note("2"));
        to.v.clock.advance(1h);
        to.v.loop.clock_moved();
        // So much real time that the loop would look around before its next pass.
        const auto began = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() < began + 1ms) {}
        co_return;
    };
    o.v.loop.create_task(arm_later(o));
    o.v.loop.create_task(arm(o));
    CHECK(o.run() == "12");
}

TEST_CASE("a cancelled callback is no choice") {
    observed_order o;
    auto cancel = [](observed_order& to) -> coro<> {
        auto handle = to.v.loop.call_soon(to.note("never"));
        handle.cancel();
        co_return;
    };
    o.v.loop.create_task(cancel(o));
    o.v.loop.create_task(say(o, "a"));
    CHECK(o.run() == "a");
    CHECK(o.policy.sizes == std::vector<std::size_t>{2, 1});
}

TEST_CASE("a policy is told who creates what") {
    observed_order o;
    auto creator = [](observed_order& to) -> coro<> {
        to.v.loop.create_task(say(to, "t"));
        to.v.loop.call_soon([&to] { to.v.loop.create_task(say(to, "u")); });
        to.v.loop.call_later(1s, to.note("c"));
        co_return;
    };
    const auto first = o.v.loop.create_task(creator(o));
    o.run();
    using agent = schedule_policy::agent;
    const auto& created = o.policy.created;
    REQUIRE(created.size() == 5);
    const agent outside{0, false};
    const agent task{first.id(), true};
    CHECK(created[0] == std::pair(task, outside));
    CHECK(created[1] == std::pair(agent{first.id() + 1, true}, task));
    CHECK_FALSE(created[2].first.is_task);
    CHECK(created[2].second == task);
    CHECK(created[3].second == task);
    CHECK(created[4].first.is_task);
    CHECK(created[4].second == created[2].first);  // by the callback
}

TEST_CASE("done callbacks count as those of the task that is done") {
    observed_order o;
    auto a = o.v.loop.create_task(say(o, "a"));
    auto b = o.v.loop.create_task(say(o, "b"));
    a.add_done_callback([&o](const auto&) { o.ran += "A1"; });
    a.add_done_callback([&o](const auto&) { o.ran += "A2"; });
    b.add_done_callback([&o](const auto&) { o.ran += "B"; });
    CHECK(o.run() == "bBaA1A2");
}

TEST_CASE("without a policy it is first in, first out again") {
    observed_order o;
    o.v.loop.create_task(say(o, "a"));
    o.v.loop.create_task(say(o, "b"));
    CHECK(o.run() == "ba");
    o.v.loop.set_schedule_policy(nullptr);
    o.ran.clear();
    o.v.loop.create_task(say(o, "a"));
    o.v.loop.create_task(say(o, "b"));
    CHECK(o.run() == "ab");
}

TEST_CASE("a policy that throws or picks what is not there ends the run; nothing is lost") {
    struct bad final : schedule_policy {
        std::size_t pick(std::span<const choice> ready) override {
            if (throws) { throw std::runtime_error("cannot decide"); }
            return ready.size();
        }
        bool throws = true;
    };
    virtual_loop v;
    bad policy;
    v.loop.set_schedule_policy(&policy);
    int ran = 0;
    v.loop.call_soon([&] { ++ran; });
    v.loop.call_soon([&] { ++ran; });
    CHECK_THROWS_WITH(v.loop.run_forever(), "cannot decide");
    policy.throws = false;
    CHECK_THROWS_AS(v.loop.run_forever(), std::out_of_range);
    CHECK(ran == 0);
    CHECK(v.loop.state() == coroscope::loop_state::idle);
    v.loop.set_schedule_policy(nullptr);
    v.loop.run_forever();
    CHECK(ran == 2);
}

namespace {

coro<> add_to(std::string& ran, std::string what) {
    ran += what;
    co_return;
}

}  // namespace

TEST_CASE("a policy may let time pass before anything that is ready runs") {
    struct later_first final : schedule_policy {
        std::size_t pick(std::span<const choice> ready) override {
            return ready.size() == waits_for || is_last ? ready.size() - 1
                                                        : std::numeric_limits<std::size_t>::max();
        }
        std::size_t waits_for = 2;
        bool is_last = false;
    };
    virtual_loop v;
    later_first policy;
    v.loop.set_schedule_policy(&policy);
    std::string ran;
    v.loop.call_later(5s, [&] {
        ran += "later ";
        policy.is_last = true;
    });
    v.loop.create_task(add_to(ran, "soon"));
    v.loop.run_forever();
    CHECK(ran == "later soon");
    CHECK(v.clock.elapsed() == 5s);
    v.loop.set_schedule_policy(nullptr);
}

TEST_CASE("a policy may let another thread come first", "[threads]") {
    struct others_first final : schedule_policy {
        std::size_t pick(std::span<const choice> ready) override {
            if (ready.size() == 1 && !has_others) {
                return std::numeric_limits<std::size_t>::max();
            }
            has_others = true;
            return ready.size() - 1;
        }
        bool has_others = false;
    };
    virtual_loop v;
    v.clock.waits_for_others = true;
    others_first policy;
    v.loop.set_schedule_policy(&policy);
    std::string ran;
    v.loop.create_task(add_to(ran, "soon"));
    std::thread other([&] {
        v.loop.call_soon_threadsafe([&] {
            ran += "other ";
            v.clock.waits_for_others = false;
        });
    });
    v.loop.run_forever();
    other.join();
    CHECK(ran == "other soon");
    v.loop.set_schedule_policy(nullptr);
}
