// SPDX-License-Identifier: Apache-2.0
// What queues, semaphores and posts order, and what they do not: whether who opens something comes
// before who uses it.
#include <coroscope/instrumentation/races/watched.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

using file = watched<std::string>;

/// Says something to those who wait, after opening the file or not.
template <class Say>
coro<> tell(file* opened, Say say) {
    if (opened != nullptr) { opened->open("text"); }
    say();
    co_return;
}

coro<> get_and_use(queue<int>& from, int items, file& used) {
    for (int i = 0; i < items; ++i) {
        static_cast<void>(co_await from.get());
    }
    static_cast<void>(used.use());
}

coro<> acquire_and_use(semaphore& s, int permits, file& used) {
    for (int i = 0; i < permits; ++i) {
        co_await s.acquire();
    }
    static_cast<void>(used.use());
}

coro<> lock_two(semaphore& first, semaphore& second) {
    const auto outer = co_await first.scoped();
    co_await yield_now();
    const auto inner = co_await second.scoped();
}

coro<> give_back(semaphore& of) {
    of.release();
    co_return;
}

/// Another task gives back what it has acquired.
coro<> hand_on(semaphore& first, semaphore& second) {
    co_await first.acquire();
    co_await yield_now();
    co_await second.acquire();
    second.release();
    auto other = get_running_loop().create_task(give_back(first), "other");
    co_await other;
}

coro<> get_or_be_cancelled(queue<int>& from) {
    try {
        static_cast<void>(co_await from.get());
    } catch (const cancelled_error&) {}
}

/// What it puts is another task's at once, which is cancelled before it has it.
coro<> open_and_put(file& opened, queue<int>& to, std::vector<task<>>& tasks) {
    co_await yield_now();
    opened.open("text");
    to.put_nowait(1);
    tasks.front().cancel();
}

coro<> release_two(semaphore& first, semaphore& second) {
    for (int i = 0; i < 5; ++i) {
        co_await yield_now();
    }
    co_await first.acquire();
    first.release(2);
    co_await yield_now();
    const auto held = co_await second.scoped();
}

[[nodiscard]] bool has(const rule_list& rules, const char* rule) {
    return std::ranges::find(rules, rule) != rules.end();
}

}  // namespace

TEST_CASE("an item orders who put it before who gets that one, and nobody else") {
    const int items = GENERATE(1, 2);
    raced_loop v;
    queue<int> q;
    file f("log");
    const auto put = [&q] {
        q.put_nowait(1);
    };
    v.start(tell(nullptr, put), "first");
    v.start(tell(&f, put), "opener");
    v.start(get_and_use(q, items, f), "user");
    v.run();
    CHECK(v.rules() == (items == 2 ? rule_list{} : rule_list{"order-violation"}));
}

TEST_CASE("who is cancelled before it gets an item leaves its order to who gets it") {
    raced_loop v;
    queue<int> q;
    file f("log");
    v.start(get_or_be_cancelled(q), "impatient");
    auto get_later = [](queue<int>& from, file& used) -> coro<> {
        for (int i = 0; i < 5; ++i) {
            co_await yield_now();
        }
        co_await get_and_use(from, 1, used);
    };
    v.start(get_later(q, f), "user");
    v.start(open_and_put(f, q, v.tasks), "opener");
    v.run();
    CHECK(v.failure.empty());
    CHECK(v.rules().empty());
}

TEST_CASE("a semaphore that gets another permit is no lock that anybody holds") {
    raced_loop v;
    semaphore one(1);
    semaphore other(1);
    v.start(lock_two(other, one), "first");
    v.start(release_two(one, other), "second");
    v.run();
    CHECK_FALSE(has(v.rules(), "lock-order"));
}

TEST_CASE("of a queue that has an order of its own, whoever put something comes before") {
    raced_loop v;
    lifo_queue<int> q;
    file f("log");
    const auto put = [&q] {
        q.put_nowait(1);
    };
    auto use = [](lifo_queue<int>& from, file& used) -> coro<> {
        static_cast<void>(co_await from.get());
        static_cast<void>(used.use());
    };
    v.start(tell(&f, put), "opener");
    v.start(tell(nullptr, put), "second");
    v.start(use(q, f), "user");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a permit orders who released it before who acquires that one, and nobody else") {
    const int permits = GENERATE(1, 2);
    raced_loop v;
    semaphore s(0);
    file f("log");
    const auto release = [&s] {
        s.release();
    };
    v.start(tell(nullptr, release), "first");
    v.start(tell(&f, release), "opener");
    v.start(acquire_and_use(s, permits, f), "user");
    v.run();
    CHECK(v.rules() == (permits == 2 ? rule_list{} : rule_list{"order-violation"}));
}

TEST_CASE("several permits at once order whoever acquires one") {
    raced_loop v;
    semaphore s(0);
    file f("log");
    v.start(tell(&f, [&s] { s.release(2); }), "opener");
    v.start(acquire_and_use(s, 1, f), "user");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a single permit that others give back orders as well") {
    raced_loop v;
    semaphore s(1);
    file f("log");
    SECTION("taken before the loop runs") {
        CHECK(s.try_acquire());
        v.start(tell(&f, [&s] { s.release(); }), "opener");
        v.start(acquire_and_use(s, 1, f), "user");
    }
    SECTION("taken by who waits for it") {
        v.start(acquire_and_use(s, 2, f), "user");
        v.start(tell(&f, [&s] { s.release(); }), "opener");
    }
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("semaphores of one permit that are taken in both orders are an inversion") {
    semaphore a(1);  // outlive the tasks that wait
    bounded_semaphore b(1);
    raced_loop v;
    SECTION("that did not deadlock") {
        auto later = [](semaphore& first, semaphore& second) -> coro<> {
            co_await sleep_for(std::chrono::seconds(1));
            co_await lock_two(first, second);
        };
        v.start(lock_two(a, b), "one");
        v.start(later(b, a), "two");
        v.run();
        REQUIRE(v.rules() == rule_list{"lock-order"});
        CHECK(v.races.findings()[0].message.find("locks semaphore 2 at") != std::string::npos);
    }
    SECTION("that did") {
        v.start(lock_two(a, b), "one");
        v.start(lock_two(b, a), "two");
        v.run();
        CHECK(has(v.rules(), "lock-cycle"));
        v.races.note_hang();
        const auto all = v.races.findings();
        const auto found = std::ranges::find(all, "lock-cycle", &report::finding::rule);
        CHECK(found->verdict == report::verdict::confirmed);
    }
}

TEST_CASE("semaphores of more permits, or of one that is given back by others, are no locks") {
    semaphore a(GENERATE(std::size_t{1}, std::size_t{2}));
    semaphore b(1);
    raced_loop v;
    v.start(hand_on(a, b), "main");
    auto later = [](semaphore& first, semaphore& second) -> coro<> {
        co_await sleep_for(std::chrono::seconds(1));
        co_await lock_two(first, second);
    };
    v.start(later(b, a), "two");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a semaphore's only permit protects as a mutex does") {
    const bool is_held = GENERATE(true, false);
    raced_loop v;
    semaphore s(1);
    shared<int> x(0, "x");
    auto add = [](semaphore& of, shared<int>& to, bool holds) -> coro<> {
        scoped_permit permit;
        if (holds) { permit = co_await of.scoped(); }
        const auto before = to.get();
        co_await yield_now();
        to.set(before + 1);
    };
    v.start(add(s, x, is_held), "one");
    v.start(add(s, x, true), "two");
    v.run();
    CHECK(v.rules() == (is_held ? rule_list{} : rule_list{"stale-write"}));
}

TEST_CASE("nor does it order who had it before who gets it next") {
    raced_loop v;
    semaphore s(1);
    file f("log");
    auto open_first = [](semaphore& of, file& opened) -> coro<> {
        opened.open("text");
        const auto permit = co_await of.scoped();
        co_await yield_now();
    };
    auto use_last = [](semaphore& of, file& used) -> coro<> {
        auto permit = co_await of.scoped();
        permit.release();
        static_cast<void>(used.use());
    };
    v.start(open_first(s, f), "opener");
    v.start(use_last(s, f), "user");
    v.run();
    CHECK(v.rules() == rule_list{"order-violation"});
}

TEST_CASE("what is posted as from another thread comes after who posted it") {
    raced_loop v;
    file f("log");
    auto* const used = &f;
    SECTION("and saw it open") {
        auto body = [](file& of) -> coro<> {
            of.open("text");
            get_running_loop().call_soon_threadsafe([&of] { static_cast<void>(of.use()); });
            co_await sleep_for(std::chrono::seconds(1));
        };
        v.start(body(f), "poster");
        v.run();
        CHECK(v.rules().empty());
    }
    SECTION("whom nothing orders after who opened it") {
        v.start(tell(&f, [] {}), "opener");
        auto body = [](file* of) -> coro<> {
            get_running_loop().call_soon_threadsafe([of] { static_cast<void>(of->use()); });
            co_await sleep_for(std::chrono::seconds(1));
        };
        v.start(body(used), "poster");
        v.run();
        CHECK(v.rules() == rule_list{"order-violation"});
    }
    SECTION("outside of the loop's run") {
        f.open("text");
        v.v.loop.call_soon_threadsafe([used] { static_cast<void>(used->use()); });
        v.run();
        CHECK(v.rules().empty());
    }
}
