// SPDX-License-Identifier: Apache-2.0
// Who asks again and again for what others get.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/schedule_policy.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/linted_loop.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "instrumentation/races/waiting_tasks.hpp"
#include "support/catch.hpp"

#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

constexpr std::size_t limit = 10;

[[nodiscard]] race_options soon_starved() {
    race_options options;
    options.starved_after = limit;
    return options;
}

/// Others get it several times between two attempts.
coro<> try_seldom(mutex& m, int times) {
    for (int i = 0; i < times; ++i) {
        for (int pause = 0; pause < 3; ++pause) {
            co_await yield_now();
        }
        CHECK_FALSE(m.try_lock());
    }
}

coro<> try_again_at_once(mutex& m, int times) {
    co_await yield_now();
    for (int i = 0; i < times; ++i) {
        for (int again = 0; again < 3; ++again) {
            CHECK_FALSE(m.try_lock());
        }
        for (int pause = 0; pause < 10; ++pause) {
            co_await yield_now();
        }
    }
}

/// At each of two lines less often than who starves.
coro<> try_for_two_things(mutex& m) {
    co_await yield_now();
    for (int i = 0; i < 7; ++i) {
        CHECK_FALSE(m.try_lock());
        co_await yield_now();
        co_await yield_now();
    }
    for (int i = 0; i < 7; ++i) {
        CHECK_FALSE(m.try_lock());
        co_await yield_now();
        co_await yield_now();
    }
}

coro<> hold_for_long(mutex& m) {
    const auto lock = co_await m.scoped();
    for (int i = 0; i < 30; ++i) {
        co_await yield_now();
    }
}

coro<> give_up(mutex& m) {
    co_await try_often(m, 15);
    for (int i = 0; i < 200; ++i) {
        co_await yield_now();
    }
}

coro<> get_items(queue<int>& of, int times) {
    for (int i = 0; i < times; ++i) {
        static_cast<void>(co_await of.get());
    }
}

coro<> put_items(queue<int>& of, int times) {
    for (int i = 0; i < times; ++i) {
        of.put_nowait(i);
        co_await yield_now();
    }
}

coro<> ask_for_item(queue<int>& of) {
    co_await yield_now();
    for (int i = 0; i < 25; ++i) {
        bool is_there = true;
        try {
            static_cast<void>(of.get_nowait());
        } catch (const queue_empty&) { is_there = false; }
        if (is_there) { co_return; }
        co_await yield_now();
    }
}

/// As loops run without a policy.
class first_in_first_out final : public schedule_policy {
    std::size_t pick(std::span<const choice>) noexcept override { return 0; }
};

struct turns {
    condition changed;
    int whose = 1;
    int left = 0;
};

/// Only the task whose turn it is goes on.
coro<> take_turns(turns& t, int me, int next, int times) {
    for (int i = 0; i < times; ++i) {
        const auto lock = co_await t.changed.scoped();
        const auto is_mine = [&t, me] {
            return t.whose == me;
        };
        co_await t.changed.wait_for(is_mine);
        t.whose = --t.left == 0 ? 3 : next;
        t.changed.notify_all();
    }
}

coro<> wait_for_end(turns& t) {
    const auto lock = co_await t.changed.scoped();
    const auto is_over = [&t] {
        return t.left == 0;
    };
    co_await t.changed.wait_for(is_over);
}

}  // namespace

TEST_CASE("who tries again and again while others get it starves") {
    raced_loop v(soon_starved());
    mutex m;
    v.start(hold_often(m, 30), "one");
    v.start(hold_often(m, 30), "two");
    v.start(try_often(m, 25), "starved");
    v.run();
    REQUIRE(v.rules() == rule_list{"starvation"});
    const auto found = v.races.findings()[0];
    CHECK(found.verdict == report::verdict::predicted);
    CHECK(found.severity == report::severity::warning);
    CHECK(without_lines(found.message)
          == "task 3 (starved) has asked for mutex 1 at waiting_tasks.hpp:LINE in try_often 24 "
             "times and got nothing, while others who came later got it 10 times, task 1 (one) at "
             "waiting_tasks.hpp:LINE in hold_often last: it may wait for ever. Wait for it in "
             "its line (lock, acquire, get), where who comes first is served first, or let those "
             "who had it come last.");
    CHECK(v.races.candidates().empty());
}

TEST_CASE("who gets it in the end, or asks less often, does not") {
    raced_loop v(soon_starved());
    mutex m;
    SECTION("others are done sooner") {
        v.start(hold_often(m, 4), "one");
        v.start(hold_often(m, 4), "two");
        v.start(try_often(m, 30), "patient");
    }
    SECTION("it asks less often") {
        v.start(hold_often(m, 30), "one");
        v.start(hold_often(m, 30), "two");
        v.start(try_seldom(m, 9), "modest");
    }
    SECTION("it asks several times at once, and less often") {
        v.start(hold_often(m, 30), "one");
        v.start(hold_often(m, 30), "two");
        v.start(try_again_at_once(m, 4), "hasty");
    }
    SECTION("it asks for two things") {
        v.start(hold_often(m, 40), "one");
        v.start(hold_often(m, 40), "two");
        v.start(try_for_two_things(m), "manifold");
    }
    SECTION("one holds it for long") {
        v.start(hold_often(m, 1), "one");
        v.start(hold_for_long(m), "two");
        v.start(try_often(m, 30), "patient");
    }
    SECTION("it has given up before others came") {
        v.start(hold_for_long(m), "long");
        v.start(hold_often(m, 30), "one");
        v.start(hold_often(m, 30), "two");
        v.start(give_up(m), "patient");
    }
    SECTION("who waits in the line is served in turn") {
        v.start(hold_often(m, 30), "one");
        v.start(hold_often(m, 30), "two");
        v.start(hold_often(m, 30), "three");
    }
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("nobody starves where that is not wanted") {
    race_options options;
    options.starved_after = 0;
    raced_loop v(options);
    mutex m;
    v.start(hold_often(m, 300), "one");
    v.start(hold_often(m, 300), "two");
    v.start(try_often(m, 200), "starved");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("under a schedule policy nobody's starving is judged, unless it keeps the order") {
    auto options = soon_starved();
    options.runs_in_default_order = GENERATE(false, true);
    first_in_first_out policy;
    mutex m;
    raced_loop v(options);
    v.v.loop.set_schedule_policy(&policy);
    v.start(hold_often(m, 30), "one");
    v.start(hold_often(m, 30), "two");
    v.start(try_often(m, 25), "starved");
    v.run();
    v.v.loop.set_schedule_policy(nullptr);
    CHECK(v.rules().size() == (options.runs_in_default_order ? 1U : 0U));
}

TEST_CASE("so does who is woken for what others take") {
    raced_loop v(soon_starved());
    turns t;
    SECTION("at the same line") {
        t.left = 40;
        v.start(take_turns(t, 3, 3, 1), "starved");
        v.start(take_turns(t, 1, 2, 20), "one");
        v.start(take_turns(t, 2, 1, 20), "two");
        v.run();
        REQUIRE(v.rules() == rule_list{"starvation"});
        CHECK(v.races.findings()[0].message.find("(starved) has asked for condition ")
              != std::string::npos);
    }
    SECTION("but not who waits for something else") {
        t.left = 40;
        v.start(wait_for_end(t), "last");
        v.start(take_turns(t, 1, 2, 20), "one");
        v.start(take_turns(t, 2, 1, 20), "two");
        v.run();
        CHECK(v.rules().empty());
    }
}

TEST_CASE("who asks while others are served that came before does not starve") {
    raced_loop v(soon_starved());
    queue<int> items;
    for (std::size_t i = 0; i < limit + 5; ++i) {
        v.start(get_items(items, 1), "earlier");
    }
    v.start(put_items(items, 20), "putter");
    v.start(ask_for_item(items), "later");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("so does who asks a semaphore or a queue for what others get") {
    raced_loop v(soon_starved());
    SECTION("a semaphore") {
        semaphore permits(2);
        auto use = [](semaphore& of) -> coro<> {
            for (int i = 0; i < 30; ++i) {
                const auto permit = co_await of.scoped();
                co_await yield_now();
            }
        };
        auto ask = [](semaphore& of) -> coro<> {
            co_await yield_now();
            for (int i = 0; i < 25; ++i) {
                if (of.try_acquire()) { co_return; }
                co_await yield_now();
            }
        };
        for (const auto* name : {"one", "two", "three", "four"}) {
            v.start(use(permits), name);
        }
        v.start(ask(permits), "starved");
        v.run();
    }
    SECTION("a queue") {
        queue<int> items;
        v.start(get_items(items, 30), "getter");
        v.start(put_items(items, 30), "putter");
        v.start(ask_for_item(items), "starved");
        v.run();
    }
    CHECK(v.rules() == rule_list{"starvation"});
}
