// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using coroscope::coro;

namespace {

coro<> set_flag(bool& flag) {
    flag = true;
    co_return;
}

coro<int> number(int n) {
    co_return n;
}

template <class T>
T run_in_fresh_loop(coro<T> work) {
    virtual_loop v;
    return v.loop.run_until_complete(std::move(work));
}

struct without_default {
    explicit without_default(int n) : value(n) {}
    int value;
};

struct noisy {
    explicit noisy(int& count) : alive(&count) { ++*alive; }
    noisy(noisy&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
    noisy& operator=(noisy&&) = delete;
    ~noisy() {
        if (alive != nullptr) { --*alive; }
    }
    int* alive;
};

coro<int> count_of(noisy argument) {
    co_return *argument.alive;
}

int second_of(int, const int& second) {
    return second;
}

coro<> keep(noisy argument, bool& ran) {
    ran = argument.alive != nullptr;
    co_return;
}

}  // namespace

TEST_CASE("a coro does nothing until it is awaited") {
    bool ran = false;
    auto work = set_flag(ran);
    CHECK(work.valid());
    CHECK_FALSE(ran);
    run_in_fresh_loop(std::move(work));
    CHECK(ran);
}

TEST_CASE("a coro is move-only, and moving empties the source") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<coro<int>>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<coro<int>>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<coro<int>>);
    auto first = number(1);
    auto second = std::move(first);
    CHECK_FALSE(first.valid());  // NOLINT(bugprone-use-after-move)
    CHECK(second.valid());
    first = std::move(second);
    CHECK(run_in_fresh_loop(std::move(first)) == 1);
}

TEST_CASE("assigning to a coro destroys the work it held, and self-assignment keeps it") {
    int alive = 0;
    bool ran = false;
    auto work = keep(noisy(alive), ran);
    CHECK(alive == 1);
    auto& same = work;
    work = std::move(same);
    CHECK(work.valid());
    CHECK(alive == 1);
    work = keep(noisy(alive), ran);
    CHECK(alive == 1);
    run_in_fresh_loop(std::move(work));
    CHECK(alive == 0);
    CHECK(ran);
}

TEST_CASE("a coro dropped before it began destroys its arguments and never runs") {
    int alive = 0;
    bool ran = false;
    {
        auto work = keep(noisy(alive), ran);
        CHECK(alive == 1);
    }
    CHECK(alive == 0);
    CHECK_FALSE(ran);
}

TEST_CASE("a coro given to an await that is never reached is destroyed with its arguments") {
    int alive = 0;
    bool ran = false;
    auto outer = [](int& count, bool& flag) -> coro<> {
        auto inner = keep(noisy(count), flag);
        throw std::runtime_error("before the await");
        co_await std::move(inner);
    };
    CHECK_THROWS_AS(run_in_fresh_loop(outer(alive, ran)), std::runtime_error);
    CHECK(alive == 0);
    CHECK_FALSE(ran);
}

TEST_CASE("results may be move-only") {
    auto make = []() -> coro<std::unique_ptr<int>> {
        co_return std::make_unique<int>(7);
    };
    auto pass = [](coro<std::unique_ptr<int>> from) -> coro<std::unique_ptr<int>> {
        auto p = co_await std::move(from);
        *p += 1;
        co_return p;
    };
    CHECK(*run_in_fresh_loop(pass(make())) == 8);
}

TEST_CASE("results may be references, and stay the same object") {
    int target = 5;
    auto get = [](int& t) -> coro<int&> {
        co_return t;
    };
    auto change = [](coro<int&> from) -> coro<int&> {
        int& same = co_await std::move(from);
        same = 6;
        co_return same;
    };
    int& result = run_in_fresh_loop(change(get(target)));
    CHECK(&result == &target);
    CHECK(target == 6);
}

TEST_CASE("results need no default constructor, and are converted on return") {
    auto make = []() -> coro<without_default> {
        co_return without_default(3);
    };
    CHECK(run_in_fresh_loop(make()).value == 3);
    auto text = []() -> coro<std::string> {
        co_return "converted";
    };
    CHECK(run_in_fresh_loop(text()) == "converted");
}

TEST_CASE("a large result passes through awaits and tasks") {
    struct large {
        int numbers[2000];
    };
    auto make = []() -> coro<large> {
        large l{};
        l.numbers[1999] = 42;
        co_return l;
    };
    auto pass = [](coro<large> from) -> coro<large> {
        large l = co_await std::move(from);
        co_return l;
    };
    CHECK(run_in_fresh_loop(pass(make())).numbers[1999] == 42);
}

TEST_CASE("a result may have an alignment that coroutine frames do not give") {
    struct alignas(64) wide {
        wide(int n) : value(n) {}  // NOLINT(google-explicit-constructor): returned as a number
        int value;
    };
    auto make = []() -> coro<wide> {
        co_return 7;
    };
    virtual_loop v;
    auto t = v.loop.create_task(make());
    v.loop.run_until_complete(t);
    CHECK(t.result().value == 7);
    CHECK(reinterpret_cast<std::uintptr_t>(&t.result()) % 64 == 0);
}

TEST_CASE("an exception leaves a coro at the await, with its type and message") {
    auto thrower = []() -> coro<int> {
        throw std::out_of_range("too far");
        co_return 1;
    };
    auto catcher = [](coro<int> from) -> coro<std::string> {
        std::string what;
        try {
            co_await std::move(from);
        } catch (const std::out_of_range& e) { what = e.what(); }
        co_return what;
    };
    CHECK(run_in_fresh_loop(catcher(thrower())) == "too far");
    CHECK_THROWS_AS(run_in_fresh_loop(thrower()), std::out_of_range);
}

TEST_CASE("an exception after a suspension reaches the awaiting coro, too") {
    auto thrower = []() -> coro<> {
        co_await coroscope::yield_now();
        throw std::runtime_error("late");
    };
    auto catcher = [](coro<> from) -> coro<bool> {
        bool caught = false;
        try {
            co_await std::move(from);
        } catch (const std::runtime_error&) { caught = true; }
        co_await coroscope::yield_now();
        co_return caught;
    };
    CHECK(run_in_fresh_loop(catcher(thrower())));
}

TEST_CASE("awaiting a coro a second time is an error that says what to do") {
    auto twice = [](std::string& what) -> coro<int> {
        auto work = number(4);
        const int first = co_await std::move(work);
        try {
            co_await std::move(work);  // NOLINT(bugprone-use-after-move)
        } catch (const coroscope::invalid_state_error& e) { what = e.what(); }
        co_return first;
    };
    std::string what;
    CHECK(run_in_fresh_loop(twice(what)) == 4);
    CHECK(what.find("awaited") != std::string::npos);
    CHECK(what.find("call the coroutine function again") != std::string::npos);
    CHECK(what.find("coro_test.cpp:") != std::string::npos);
}

TEST_CASE("making a task of a coro that was used is the same error") {
    virtual_loop v;
    auto work = number(4);
    auto taken = std::move(work);
    CHECK_THROWS_AS(v.loop.create_task(std::move(work)),  // NOLINT(bugprone-use-after-move)
                    coroscope::invalid_state_error);
    CHECK(v.loop.run_until_complete(std::move(taken)) == 4);
}

TEST_CASE("locals are destroyed in the awaited coro before the awaiting one goes on") {
    std::vector<std::string> order;
    struct speaker {
        std::vector<std::string>& to;
        explicit speaker(std::vector<std::string>& t) : to(t) {}
        speaker(const speaker&) = delete;
        speaker& operator=(const speaker&) = delete;
        ~speaker() { to.emplace_back("destroyed"); }
    };
    auto inner = [](std::vector<std::string>& to) -> coro<> {
        const speaker s(to);
        co_await coroscope::yield_now();
        to.emplace_back("inner ends");
    };
    auto outer = [](coro<> work, std::vector<std::string>& to) -> coro<> {
        co_await std::move(work);
        to.emplace_back("outer goes on");
    };
    run_in_fresh_loop(outer(inner(order), order));
    CHECK(order == std::vector<std::string>{"inner ends", "destroyed", "outer goes on"});
}

TEST_CASE("an awaited coro is gone, arguments and all, when the awaiting one goes on") {
    auto outer = [](int& alive) -> coro<int> {
        // Read in the middle of the expression.
        const int left = second_of(co_await count_of(noisy(alive)), alive);
        co_return left;
    };
    int alive = 0;
    CHECK(run_in_fresh_loop(outer(alive)) == 0);
}

TEST_CASE("awaits that never suspend run in one step") {
    virtual_loop v;
    auto nested = [](coro<int> from) -> coro<int> {
        const int n = co_await std::move(from);
        co_return n + 1;
    };
    auto t = v.loop.create_task(nested(nested(number(1))));
    const auto before = v.loop.statistics().steps;
    CHECK(v.loop.run_until_complete(t) == 3);
    CHECK(v.loop.statistics().steps - before == 1);
}
