// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/context_var.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using coroscope::context;
using coroscope::context_token;
using coroscope::context_var;
using coroscope::copy_context;
using coroscope::coro;
using namespace std::chrono_literals;

namespace {

const context_var<int> number("number", -1);
const context_var<std::string> user("user");

coro<int> number_after(coroscope::duration delay) {
    co_await coroscope::sleep_for(delay);
    co_return number.get();
}

/// Leaves the thread's own context as it was.
struct thread_number {
    explicit thread_number(int n) : token(number.set(n)) {}
    thread_number(const thread_number&) = delete;
    thread_number& operator=(const thread_number&) = delete;
    ~thread_number() { number.reset(std::move(token)); }
    context_token<int> token;
};

}  // namespace

TEST_CASE("a variable without a value gives its default, or says what to do", "[context]") {
    CHECK(number.get() == -1);
    CHECK(number.get(5) == 5);
    CHECK(user.get("nobody") == "nobody");
    CHECK(user.name() == "user");
    CHECK_THROWS_WITH(user.get(), Catch::Contains("'user'") && Catch::Contains("get(default)"));
}

TEST_CASE("a token restores what was before, once", "[context]") {
    context().run([] {
        auto first = number.set(1);
        CHECK_FALSE(first.old_value().has_value());
        auto second = number.set(2);
        CHECK(second.old_value() == 1);
        number.reset(std::move(second));
        CHECK(number.get() == 1);
        auto used = std::move(first);
        CHECK_THROWS_AS(number.reset(std::move(first)),  // NOLINT(bugprone-use-after-move)
                        coroscope::invalid_state_error);
        number.reset(std::move(used));
        CHECK(number.get() == -1);
    });
}

TEST_CASE("a token of another variable or another context is refused", "[context]") {
    const context_var<int> other("other");
    context().run([&other] {
        auto token = other.set(1);
        CHECK_THROWS_WITH(number.reset(std::move(token)), Catch::Contains("another variable"));
        auto mine = number.set(2);
        CHECK_THROWS_WITH(copy_context().run([&mine] { number.reset(std::move(mine)); }),
                          Catch::Contains("another context"));
    });
}

TEST_CASE("a task has a copy of its creator's context; what it sets stays in it", "[context]") {
    virtual_loop v;
    auto child = []() -> coro<int> {
        const auto before = number.get();
        static_cast<void>(number.set(before + 1));
        co_await coroscope::sleep_for(1s);
        co_return number.get();
    };
    auto parent = [](coro<int> first, coro<int> second) -> coro<std::vector<int>> {
        static_cast<void>(number.set(10));
        auto a = coroscope::get_running_loop().create_task(std::move(first));
        static_cast<void>(number.set(20));
        auto b = coroscope::get_running_loop().create_task(std::move(second));
        const auto from_a = co_await a;
        const auto from_b = co_await b;
        co_return std::vector{from_a, from_b, number.get()};
    };
    CHECK(v.loop.run_until_complete(parent(child(), child())) == std::vector{11, 21, 20});
    CHECK(number.get() == -1);
}

TEST_CASE("an awaited coroutine shares its caller's context", "[context]") {
    virtual_loop v;
    auto inner = []() -> coro<> {
        static_cast<void>(number.set(3));
        co_await coroscope::yield_now();
    };
    auto outer = [](coro<> callee) -> coro<int> {
        co_await std::move(callee);
        co_return number.get();
    };
    CHECK(v.loop.run_until_complete(outer(inner())) == 3);
}

TEST_CASE("callbacks run in a copy of their scheduler's context", "[context]") {
    virtual_loop v;
    std::vector<int> seen;
    {
        const thread_number now(7);
        v.loop.call_soon([&seen] {
            seen.push_back(number.get());
            static_cast<void>(number.set(100));
        });
        v.loop.call_soon([&seen] { seen.push_back(number.get()); });
        v.loop.call_later(1s, [&seen] { seen.push_back(number.get()); });
        v.loop.call_soon_threadsafe([&seen] { seen.push_back(number.get()); });
    }
    v.loop.call_soon([&seen] { seen.push_back(number.get()); });
    v.loop.call_later(2s, [&v] { v.loop.stop(); });
    v.loop.run_forever();
    CHECK(seen == std::vector{7, 7, -1, 7, 7});
}

TEST_CASE("a done callback runs in a copy of the context that added it", "[context]") {
    virtual_loop v;
    std::vector<int> seen;
    auto f = v.loop.create_future<>();
    {
        const thread_number now(8);
        f.add_done_callback([&seen](const auto&) { seen.push_back(number.get()); });
    }
    f.add_done_callback([&seen](const auto&) { seen.push_back(number.get()); });
    auto setter = [](coroscope::future<> target) -> coro<> {
        static_cast<void>(number.set(9));
        target.set_result();
        co_await coroscope::yield_now();
    };
    v.loop.run_until_complete(setter(f));
    CHECK(seen == std::vector{8, -1});
}

TEST_CASE("an executor's job runs in a copy of its submitter's context", "[context]") {
    virtual_loop v;
    auto body = []() -> coro<std::vector<int>> {
        static_cast<void>(number.set(4));
        auto& here = coroscope::get_running_loop();
        const auto job = here.run_in_executor([] {
            const auto inherited = number.get();
            static_cast<void>(number.set(50));
            return inherited;
        });
        const auto inherited = co_await job;
        const auto later_job = here.run_in_executor([] { return number.get(); });
        const auto later = co_await later_job;
        co_return std::vector{inherited, later, number.get()};
    };
    CHECK(v.loop.run_until_complete(body()) == std::vector{4, 4, 4});
}

TEST_CASE("a callback or task may be given a context, and what it sets stays there", "[context]") {
    virtual_loop v;
    context mine;
    mine.run([] { static_cast<void>(number.set(1)); });
    v.loop.call_soon([] { static_cast<void>(number.set(number.get() + 1)); }, mine);
    v.loop.call_later(
        1s, [] { static_cast<void>(number.set(number.get() * 10)); }, mine);
    auto late = v.loop.create_task(number_after(2s), mine);
    CHECK(v.loop.run_until_complete(late) == 20);
    CHECK(mine.get(number) == 20);
    CHECK(mine.size() == 1);
    CHECK(number.get() == -1);
}

TEST_CASE("to enter a context twice is an error, in one thread or in two", "[context]") {
    const context c;
    CHECK_THROWS_WITH(c.run([&c] { c.run([] {}); }), Catch::Contains("run in a copy"));
    std::string said;
    c.run([&c, &said] {
        std::thread other([&c, &said] {
            try {
                c.run([] {});
            } catch (const coroscope::invalid_state_error& e) { said = e.what(); }
        });
        other.join();
    });
    CHECK(said.find("entered") != std::string::npos);
    CHECK(c.run([] { return 3; }) == 3);  // it was left each time
}

TEST_CASE("a task is inside of its own context", "[context]") {
    virtual_loop v;
    const context c;
    auto body = [](const context& own) -> coro<> {
        own.run([] {});
        co_return;
    };
    auto t = v.loop.create_task(body(c), c);
    CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::invalid_state_error);
}

TEST_CASE("a copy of a context goes its own way", "[context]") {
    const context c;
    c.run([] { static_cast<void>(number.set(1)); });
    const auto copy = c.copy();
    copy.run([] { static_cast<void>(number.set(2)); });
    CHECK(c.get(number) == 1);
    CHECK(copy.get(number) == 2);
    CHECK_FALSE(copy.get(user).has_value());
}

TEST_CASE("values go with the last context that holds them", "[context]") {
    const context_var<std::shared_ptr<int>> held("held");
    auto value = std::make_shared<int>(1);
    virtual_loop v;
    auto body = [](const context_var<std::shared_ptr<int>>& var, std::shared_ptr<int> p) -> coro<> {
        static_cast<void>(var.set(std::move(p)));
        co_await coroscope::yield_now();
    };
    v.loop.run_until_complete(body(held, value));
    CHECK(value.use_count() == 1);
}

TEST_CASE("recipe: ten tasks that set a variable see no other's value", "[context]") {
    virtual_loop v;
    const context_var<int> var("recipe");
    auto body = [](const context_var<int>& target, int i) -> coro<bool> {
        const auto token = target.set(i);
        co_await coroscope::sleep_for(1s);
        co_return !token.old_value().has_value() && target.get() == i;
    };
    std::vector<coroscope::task<bool>> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back(v.loop.create_task(body(var, i)));
    }
    for (auto& each : all) {
        CHECK(v.loop.run_until_complete(each));
    }
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("recipe: one context entered ten times, with resets in the second half", "[context]") {
    const context_var<int> var("recipe");
    const context c;
    std::vector<std::optional<int>> olds;
    for (int i = 0; i < 10; ++i) {
        c.run([&] {
            auto token = var.set(i);
            olds.push_back(token.old_value());
            if (i >= 5) { var.reset(std::move(token)); }
        });
    }
    CHECK(olds == std::vector<std::optional<int>>{std::nullopt, 0, 1, 2, 3, 4, 4, 4, 4, 4});
}
