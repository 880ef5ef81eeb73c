// SPDX-License-Identifier: Apache-2.0
// How a mock fails a test, and what it says.
#include <coroscope/testkit/mock.hpp>

#include "support/catch.hpp"
#include "testkit/failure_text.hpp"
#include "testkit/nested_catch.hpp"

#include <coroscope/testkit/test_run.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::anything;
using coroscope::testkit::coroutine_mock;
using coroscope::testkit::failure_kind;
using coroscope::testkit::mock_log;
using coroscope::testkit::run_test;
using coroscope::testkit::this_test;
using failure_text::plain;
using failure_text::thrown_by;

namespace {

enum class color : std::uint8_t { red = 1 };
struct opaque {
    bool operator==(const opaque&) const = default;
};

coro<> await_some(coroutine_mock<int(std::string, int)> fetch) {
    static_cast<void>(co_await fetch("a", 1));
    co_await coroscope::sleep_for(1500ms);
    static_cast<void>(co_await fetch("b\n", 2));
}

coro<> swallow(std::function<coro<int>(std::string)> fetch) {
    try {
        static_cast<void>(co_await fetch("x"));
    } catch (const std::exception&) {}  // NOLINT(bugprone-empty-catch)
}

}  // namespace

TEST_CASE("a failed assertion shows what was expected and every await", "[mock][golden]") {
    const auto body = []() -> coro<> {
        coroutine_mock<int(std::string, int)> fetch("fetch");
        fetch.returns(0);
        co_await await_some(fetch);
        CHECK(thrown_by([&] { fetch.assert_awaited_once_with("b", anything); })
              == "fetch: assert_awaited_once_with failed at mock_failures_test.cpp:N\n"
                 "    expected: one await, with (\"b\", anything)\n"
                 "    came: 2 awaits\n"
                 "        1. (\"a\", 1) at mock_failures_test.cpp:N, in task 1 (test), at 0 s\n"
                 "        2. (\"b\\n\", 2) at mock_failures_test.cpp:N, in task 1 (test), at 1.5 s");
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("a failed assertion shows calls that were not awaited", "[mock][golden]") {
    const auto body = []() -> coro<> {
        coroutine_mock<void()> stop("stop");
        auto pending = stop();
        const auto text = thrown_by([&] { stop.assert_awaited(); });
        co_await std::move(pending);
        CHECK(text
              == "stop: assert_awaited failed at mock_failures_test.cpp:N\n"
                 "    expected: at least one await\n"
                 "    came: 0 awaits\n"
                 "        called, not awaited: () at mock_failures_test.cpp:N, in task 1 (test)");
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("each assertion says what it expected", "[mock][golden]") {
    coroutine_mock<void(int)> stop("stop");
    const auto first_lines = [](const std::string& text) {
        return text.substr(0, text.find("\n    came"));
    };
    const auto at = " failed at mock_failures_test.cpp:N\n    expected: ";
    CHECK(first_lines(thrown_by([&] { stop.assert_awaited_once(); }))
          == "stop: assert_awaited_once" + std::string(at) + "one await");
    CHECK(first_lines(thrown_by([&] { stop.assert_awaited_with(1); }))
          == "stop: assert_awaited_with" + std::string(at) + "the last await to have (1)");
    CHECK(first_lines(thrown_by([&] { stop.assert_any_await(1); }))
          == "stop: assert_any_await" + std::string(at) + "an await with (1)");
    CHECK(first_lines(thrown_by([&] {
              stop.assert_awaits_in_order({{1}, {2}});
          }))
          == "stop: assert_awaits_in_order" + std::string(at)
                 + "awaits with (1) (2) in this order; missing is (1)");
    CHECK(first_lines(thrown_by([&] { static_cast<void>(stop.awaited_argument<0>(1)); }))
          == "stop: awaited_argument" + std::string(at) + "at least 2 awaits");
}

TEST_CASE("a call that is never awaited fails the test and names its line", "[mock][golden]") {
    int line = 0;
    const auto body = [](int& called_at) -> coro<> {
        coroutine_mock<int(std::string)> fetch("fetch");
        called_at = __LINE__ + 1;
        static_cast<void>(fetch("a"));
        co_return;
    };
    const auto result = run_test([&] { return body(line); });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::mock);
    CHECK(static_cast<int>(result.failures[0].where.line()) == line);
    CHECK(plain(result.failures[0].message)
          == "a call of the mock fetch was never awaited: fetch(\"a\")\n"
             "    called at mock_failures_test.cpp:N, in task 1 (test)\n"
             "    co_await what it returns, or give it to create_task");
}

TEST_CASE("a call through a std::function is placed by the task that made it", "[mock][golden]") {
    const auto body = []() -> coro<> {
        coroutine_mock<int(std::string)> fetch("fetch");
        const std::function<coro<int>(std::string)> injected = fetch;
        co_await coroscope::yield_now();
        static_cast<void>(injected("a"));
    };
    CHECK(failure_text::of(body)
          == "a call of the mock fetch was never awaited: fetch(\"a\")\n"
             "    called at a std::function, after mock_failures_test.cpp:N, in task 1 (test)\n"
             "    co_await what it returns, or give it to create_task\n");
}

TEST_CASE("a call whose task was cancelled before its first step was not forgotten", "[mock]") {
    const auto body = []() -> coro<> {
        coroutine_mock<int(std::string)> fetch("fetch");
        auto task = this_test().loop().create_task(fetch("a"));
        task.cancel();
        CHECK_FALSE(task.done());
        co_await coroscope::yield_now();
        CHECK(task.cancelled());
        fetch.assert_not_awaited();
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("a call that an exception overtook was not forgotten", "[mock]") {
    const auto body = []() -> coro<> {
        coroutine_mock<int(std::string)> fetch("fetch");
        try {
            auto call = fetch("a");
            throw std::runtime_error("overtaken");
        } catch (const std::runtime_error&) {}  // NOLINT(bugprone-empty-catch)
        co_return;
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("an await without an answer fails the test, whoever swallows that", "[mock][golden]") {
    const auto body = []() -> coro<> {
        coroutine_mock<int(std::string)> fetch("fetch");
        co_await swallow(fetch);
        fetch.returns_once(1);
        co_await swallow(fetch);
        co_await swallow(fetch);
    };
    CHECK(failure_text::of(body)
          == "the mock fetch has no answer for fetch(\"x\")\n"
             "    awaited at mock_failures_test.cpp:N, in task 1 (test)\n"
             "    give it one: returns, throws or side_effect\n"
             "the mock fetch has no answer for fetch(\"x\")\n"
             "    awaited at mock_failures_test.cpp:N, in task 1 (test)\n"
             "    it has answered 2 awaits before; give it more, or one for all others: returns\n");
}

TEST_CASE("a log shows what came in which order", "[mock][golden]") {
    const auto body = []() -> coro<> {
        coroutine_mock<void(int)> begin("begin");
        coroutine_mock<void()> end("end");
        mock_log log;
        log.watch(begin, end);
        CHECK(thrown_by([&] { log.assert_order({"end"}); })
              == "mock_log: assert_order failed at mock_failures_test.cpp:N\n"
                 "    expected:\n        end\n    missing: end\n    came: nothing");
        co_await end();
        co_await begin(1);
        CHECK(thrown_by([&] { log.assert_order({"begin(1)", "end"}); })
              == "mock_log: assert_order failed at mock_failures_test.cpp:N\n"
                 "    expected:\n        begin(1)\n        end\n"
                 "    missing: end\n"
                 "    came:\n"
                 "        end() at mock_failures_test.cpp:N, in task 1 (test), at 0 s\n"
                 "        begin(1) at mock_failures_test.cpp:N, in task 1 (test), at 0 s");
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("a failed assertion fails the test that it is made in", "[mock]") {
    const auto body = []() -> coro<> {
        coroutine_mock<void()> stop("stop");
        stop.assert_awaited();
        co_return;
    };
    CHECK_THAT(failure_text::of(body),
               Catch::StartsWith("an exception left the test's body: stop: assert_awaited failed"));
}

TEST_CASE("Catch2 shows what a mock has to say", "[mock]") {
    const auto wrong = nested::run("an assertion of a mock fails");
    CHECK(wrong.status == 1);
    CHECK(wrong.has("fetch: assert_awaited_once_with failed at"));
    CHECK(wrong.has("expected: one await, with (\"b\")"));
    CHECK(wrong.has("1. (\"a\") at"));
    const auto dropped = nested::run("a call of a mock is dropped");
    CHECK(dropped.status == 1);
    CHECK(dropped.has("a call of the mock fetch was never awaited: fetch(\"a\")"));
    CHECK(dropped.has("1 failed"));
}

TEST_CASE("values are shown in a form that can be told apart", "[mock][golden]") {
    using coroscope::testkit::detail::shown;
    CHECK(shown(true) == "true");
    CHECK(shown(std::string("a\"b\\\t\r\x01")) == R"("a\"b\\\t\r\x01")");
    CHECK(shown(std::string(500, 'x'))
          == '"' + std::string(300, 'x') + "\" (100 bytes left out) \"" + std::string(100, 'x')
                 + '"');
    CHECK(shown(1500ms) == "1.5 s");
    CHECK(shown(color::red) == "1");
    CHECK(shown(std::optional<int>()) == "nothing");
    CHECK(shown(std::optional<int>(3)) == "3");
    CHECK(shown(std::vector<std::string>{"a", "b"}) == R"(["a", "b"])");
    CHECK(shown(std::vector<int>(21, 0))
          == "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...]");
    CHECK_THAT(shown(opaque()), Catch::StartsWith("a ") && Catch::EndsWith("opaque"));
}
