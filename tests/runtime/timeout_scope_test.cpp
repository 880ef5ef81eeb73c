// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/timeout_scope.hpp>

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::invalid_state_error;
using coroscope::time_point;
using coroscope::timeout_error;
using coroscope::timeout_scope;
using namespace std::chrono_literals;

namespace {

coro<int> after(duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

/// Runs `work` under a limit; then sleeps a second, which a stray cancellation would cut short.
coro<std::string> limited(coro<int> work, duration limit) {
    timeout_scope scope(limit);
    std::string text;
    try {
        const int n = co_await scope.run(std::move(work));
        text = std::to_string(n);
    } catch (const timeout_error&) { text = "timeout"; }
    if (scope.expired()) { text += " expired"; }
    co_await coroscope::sleep_for(1s);
    if (coroscope::current_task().cancelling() != 0) { text += " still cancelling"; }
    co_return text;
}

}  // namespace

TEST_CASE("a timeout_scope passes on what is in time and leaves no timer", "[waiting]") {
    virtual_loop v;
    CHECK(v.loop.run_until_complete(limited(after(2s, 7), 3s)) == "7");
    CHECK(v.clock.elapsed() == 3s);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("a timeout_scope turns its own cancellation into a timeout_error", "[waiting]") {
    virtual_loop v;
    CHECK(v.loop.run_until_complete(limited(after(9s, 7), 3s)) == "timeout expired");
    CHECK(v.clock.elapsed() == 4s);
    auto body = []() -> coro<> {
        timeout_scope scope(2s);
        co_await scope.run(after(1h, 1));
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body()),
                      Catch::Contains("6.0") && Catch::Contains("timeout_scope_test.cpp:"));
}

TEST_CASE("the time of a scope counts from its construction", "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<bool> {
        timeout_scope scope(2s);
        co_await coroscope::sleep_for(5s);
        bool late = false;
        try {
            co_await scope.run(after(1s, 1));
        } catch (const timeout_error&) { late = true; }
        co_return late&& scope.when() == time_point(2s);
    };
    CHECK(v.loop.run_until_complete(body()));
    CHECK(v.clock.elapsed() == 5s);
}

TEST_CASE("timeout_at takes a point in time, and no limit is possible", "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<std::string> {
        auto scope = coroscope::timeout_at(time_point(2s));
        std::string text;
        try {
            co_await scope.run(after(1h, 1));
        } catch (const timeout_error&) { text = "late"; }
        auto none = coroscope::timeout_at(std::nullopt);
        const int n = co_await none.run(after(100h, 4));
        timeout_scope longest(duration::max());
        const int m = co_await longest.run(after(100h, 4));
        co_return text + std::to_string(n + m) + (none.expired() ? "!" : "");
    };
    CHECK(v.loop.run_until_complete(body()) == "late8");
    CHECK(v.clock.elapsed() == 200h + 2s);
}

TEST_CASE("reschedule moves the deadline forth, back and away", "[waiting]") {
    virtual_loop v;
    struct move {
        std::optional<time_point> to;
        std::string result;
        duration end;
    };
    const auto to = GENERATE(move{time_point(20s), "7", 11s}, move{std::nullopt, "7", 11s},
                             move{time_point(4s), "timeout expired", 5s},
                             move{time_point(0s), "timeout expired", 2s});
    auto work = [](timeout_scope& scope, std::optional<time_point> when) -> coro<int> {
        co_await coroscope::sleep_for(1s);
        scope.reschedule(when);
        co_await coroscope::sleep_for(9s);
        co_return 7;
    };
    auto body = [](auto w, std::optional<time_point> when) -> coro<std::string> {
        timeout_scope scope(5s);
        std::string text;
        try {
            const int n = co_await scope.run(w(scope, when));
            text = std::to_string(n);
        } catch (const timeout_error&) { text = "timeout"; }
        if (scope.expired()) { text += " expired"; }
        co_await coroscope::sleep_for(1s);
        co_return text;
    };
    CHECK(v.loop.run_until_complete(body(work, to.to)) == to.result);
    CHECK(v.clock.elapsed() == to.end);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("a scope cannot be rescheduled before, after or past its time, nor run twice",
          "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<std::string> {
        timeout_scope scope(1s);
        std::string texts;
        auto attempt = [](timeout_scope& s, std::string& to) {
            try {
                s.reschedule(time_point(5s));
            } catch (const invalid_state_error& e) { to += e.what() + std::string("\n"); }
        };
        attempt(scope, texts);
        auto work = [](timeout_scope& s, std::string& to, auto a) -> coro<int> {
            try {
                co_await coroscope::sleep_for(1h);
            } catch (const cancelled_error&) { a(s, to); }
            co_return 1;
        };
        co_await scope.run(work(scope, texts, attempt));
        attempt(scope, texts);
        timeout_scope other(1s);
        co_await other.run(after(0s, 1));
        attempt(other, texts);
        try {
            co_await other.run(after(0s, 1));
        } catch (const invalid_state_error& e) { texts += e.what(); }
        co_return texts;
    };
    const auto texts = v.loop.run_until_complete(body());
    CHECK_THAT(texts, Catch::Contains("does not run yet") && Catch::Contains("its time is up")
                          && Catch::Contains("its body has ended")
                          && Catch::Contains("a second time at"));
}

TEST_CASE("a cancellation from outside stays one, also when the deadline comes with it",
          "[waiting]") {
    virtual_loop v;
    const auto at = GENERATE(duration(1s), duration(3s));
    auto t = v.loop.create_task(limited(after(1h, 1), 3s));
    v.loop.call_later(at, [&] { t.cancel("outside"); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(t.cancelled());
    CHECK(v.clock.elapsed() == at);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("a task that is cancelled before its scope begins never enters it", "[waiting]") {
    virtual_loop v;
    auto t = v.loop.create_task(limited(after(1h, 1), 3s));
    t.cancel();
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(v.clock.elapsed() == 0s);
}

TEST_CASE("nested scopes: the inner one expires inside, the outer one outside", "[waiting]") {
    virtual_loop v;
    auto inner = [](duration limit, std::string& to) -> coro<int> {
        timeout_scope scope(limit);
        try {
            co_await scope.run(after(1h, 1));
        } catch (const timeout_error&) { to += "inner "; }
        co_await coroscope::sleep_for(1s);
        co_return 1;
    };
    std::string text;
    CHECK(v.loop.run_until_complete(limited(inner(1s, text), 5s)) == "1");
    CHECK(text == "inner ");
    text.clear();
    CHECK(v.loop.run_until_complete(limited(inner(5s, text), 1s)) == "timeout expired");
    CHECK(text.empty());
}

TEST_CASE("of nested scopes that expire together the outer one throws", "[waiting]") {
    virtual_loop v;
    auto inner = [](std::string& to) -> coro<int> {
        timeout_scope scope(1s);
        try {
            co_await scope.run(after(1h, 1));
        } catch (const timeout_error&) { to += "inner timeout"; } catch (const cancelled_error&) {
            to += scope.expired() ? "inner cancelled, expired" : "inner cancelled";
            throw;
        }
        co_return 1;
    };
    std::string text;
    CHECK(v.loop.run_until_complete(limited(inner(text), 1s)) == "timeout expired");
    CHECK(text == "inner cancelled, expired");
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("an outer scope may expire while the inner one's timeout is handled", "[waiting]") {
    virtual_loop v;
    auto inner = [](std::string& to) -> coro<int> {
        timeout_scope scope(1s);
        bool late = false;
        try {
            co_await scope.run(after(1h, 1));
        } catch (const timeout_error&) { late = true; }
        to += late ? "handling" : "?";
        co_await coroscope::sleep_for(10s);
        to += " done";
        co_return 1;
    };
    std::string text;
    CHECK(v.loop.run_until_complete(limited(inner(text), 3s)) == "timeout expired");
    CHECK(text == "handling");
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("what swallows the cancellation keeps its result; the scope is expired all the same",
          "[waiting]") {
    virtual_loop v;
    auto stubborn = []() -> coro<int> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) {}  // NOLINT(bugprone-empty-catch): swallowed
        co_await coroscope::sleep_for(2s);
        co_return 8;
    };
    CHECK(v.loop.run_until_complete(limited(stubborn(), 1s)) == "8 expired");
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("another exception passes through an expired scope", "[waiting]") {
    virtual_loop v;
    auto changes = []() -> coro<int> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) { throw std::out_of_range("other"); }
        co_return 1;
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(limited(changes(), 1s)), "other");
}

TEST_CASE("a deadline that comes when the body is about to go on cancels it there", "[waiting]") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    auto reader = [](coroscope::future<int> from) -> coro<int> {
        const int n = co_await from;
        co_return n;
    };
    // The result is there, its reader has not run: as in asyncio, the cancellation comes first.
    v.loop.call_later(1s, [&] { f.set_result(6); });
    CHECK(v.loop.run_until_complete(limited(reader(f), 1s)) == "timeout expired");
    CHECK(f.result() == 6);
}

TEST_CASE("a scope goes with a loop that closes", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    auto t = v->loop.create_task(limited(after(1h, 1), 2h));
    v->loop.call_later(1s, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
}
