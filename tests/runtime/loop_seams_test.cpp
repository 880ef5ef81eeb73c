// SPDX-License-Identifier: Apache-2.0
// Task factories, exception handlers: what a user may put into a loop.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::any_coro;
using coroscope::any_task;
using coroscope::coro;
using coroscope::exception_context;
using coroscope::loop;
using coroscope::task_options;
using namespace std::chrono_literals;

namespace {

coro<int> number(int n) {
    co_await coroscope::yield_now();
    co_return n;
}

/// Catches what is written to standard error.
class captured_error {
public:
    captured_error() : before_(std::cerr.rdbuf(text_.rdbuf())) {}
    captured_error(const captured_error&) = delete;
    captured_error& operator=(const captured_error&) = delete;
    ~captured_error() { std::cerr.rdbuf(before_); }
    [[nodiscard]] std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    std::streambuf* before_;
};

}  // namespace

TEST_CASE("a task factory makes every task: create_task, gather, run_until_complete") {
    virtual_loop v;
    std::vector<std::string> made;
    v.loop.set_task_factory([&](loop& l, any_coro work, task_options& options) -> any_task {
        made.push_back(std::string(work.result_type() == typeid(int) ? "int " : "other ")
                       + options.name);
        options.name = "made " + std::to_string(made.size());
        return l.start_task(std::move(work), options);
    });
    auto body = []() -> coro<> {
        auto [a, b] = co_await coroscope::gather(number(1), number(2));
        if (a + b != 3) { throw std::logic_error("wrong results"); }
    };
    auto t = v.loop.create_task(number(3), "mine");
    v.loop.run_until_complete(body());
    CHECK(t.name() == "made 1");
    CHECK(t.result() == 3);
    CHECK(made == std::vector<std::string>{"int mine", "other ", "int ", "int "});
    v.loop.set_task_factory({});
    CHECK(v.loop.create_task(number(1), "plain").name() == "plain");
    CHECK(made.size() == 4);
}

TEST_CASE("a factory is told where the task is created, and may change that, too") {
    virtual_loop v;
    unsigned line = 0;
    v.loop.set_task_factory([&](loop& l, any_coro work, task_options& options) -> any_task {
        line = options.created_at.line();
        return l.start_task(std::move(work), options);
    });
    const auto expected = __LINE__ + 1;
    auto t = v.loop.create_task(number(1));
    CHECK(line == expected);
    CHECK(t.origin().at(0).line() == expected);
}

TEST_CASE("what a factory throws reaches the creator, and the coroutine is destroyed") {
    virtual_loop v;
    auto token = std::make_shared<int>();
    auto holds = [](std::shared_ptr<int>) -> coro<> {
        co_return;
    };
    v.loop.set_task_factory(
        [](loop&, any_coro, task_options&) -> any_task { throw std::runtime_error("refused"); });
    CHECK_THROWS_WITH(v.loop.create_task(holds(token)), "refused");
    CHECK(token.use_count() == 1);
    CHECK(all_tasks(v.loop).empty());
}

TEST_CASE("a factory that returns no task, or one of another type, is a clear error") {
    virtual_loop v;
    v.loop.set_task_factory([](loop&, any_coro, task_options&) { return any_task(); });
    CHECK_THROWS_AS(v.loop.create_task(number(1)), std::logic_error);
    v.loop.set_task_factory([](loop& l, any_coro, task_options& options) -> any_task {
        auto other = []() -> coro<std::string> {
            co_return "text";
        };
        return l.start_task(other(), options);
    });
    CHECK_THROWS_WITH(v.loop.create_task(number(1)), Catch::Contains("result type"));
}

TEST_CASE("a factory may wrap the coroutine in one of its own") {
    virtual_loop v;
    int wrapped = 0;
    v.loop.set_task_factory([&](loop& l, any_coro work, task_options& options) -> any_task {
        auto inner = l.start_task(std::move(work), options);
        auto wrapper = [](coroscope::task<int> t, int& count) -> coro<int> {
            const int n = co_await t;
            ++count;
            co_return n + 100;
        };
        return l.start_task(wrapper(inner.as<int>(), wrapped), options);
    });
    CHECK(v.loop.run_until_complete(number(1)) == 101);
    CHECK(wrapped == 1);
}

TEST_CASE("without a handler exceptions are written to standard error with their origin") {
    loop l;
    const captured_error err;
    auto lost = []() -> coro<> {
        throw std::runtime_error("nobody listens");
        co_return;
    };
    l.create_task(lost(), "loser");
    l.call_soon([&] { l.call_soon([&] { l.stop(); }); });
    l.run_forever();
    CHECK(err.text().find("never retrieved") != std::string::npos);
    CHECK(err.text().find("task: 1 (loser)") != std::string::npos);
    CHECK(err.text().find("loop_seams_test.cpp:") != std::string::npos);
    CHECK(err.text().find("nobody listens") != std::string::npos);
}

TEST_CASE("a handler that throws makes the default handler tell of both") {
    virtual_loop v;
    v.loop.set_exception_handler(
        [](loop&, const exception_context&) { throw std::runtime_error("handler broke"); });
    const captured_error err;
    v.loop.call_soon([] { throw std::runtime_error("original"); });
    v.loop.run_forever();
    CHECK(err.text().find("handler broke") != std::string::npos);
    CHECK(err.text().find("original") != std::string::npos);
}

TEST_CASE("a handler may pass what it does not know to the default one, and replace itself") {
    virtual_loop v;
    std::vector<std::string> seen;
    v.loop.set_exception_handler([&](loop& l, const exception_context& c) {
        seen.push_back(coroscope::describe(c.exception));
        l.default_exception_handler(c);
        l.set_exception_handler([&](loop&, const exception_context&) { seen.push_back("second"); });
    });
    const captured_error err;
    v.loop.call_soon([] { throw std::runtime_error("one"); });
    v.loop.call_soon([] { throw std::runtime_error("two"); });
    v.loop.run_forever();
    CHECK(seen == std::vector<std::string>{"one", "second"});
    CHECK(err.text().find("one") != std::string::npos);
    CHECK(err.text().find("two") == std::string::npos);
}

TEST_CASE("an exception in a foreign Asio handler reaches the exception handler") {
    virtual_loop v;
    boost::asio::post(v.loop.io_context(), [] { throw std::runtime_error("foreign"); });
    bool after = false;
    boost::asio::post(v.loop.io_context(), [&] { after = true; });
    v.loop.call_soon([&] { v.loop.call_soon([] {}); });
    v.loop.run_forever();
    REQUIRE(v.reported.size() == 1);
    CHECK(coroscope::describe(v.reported[0].exception) == "foreign");
    v.loop.run_forever();
    CHECK(after);
}

TEST_CASE("a foreign Asio handler is nobody's step: no task is current in it") {
    virtual_loop v;
    std::optional<bool> had_current;
    auto body = [](boost::asio::io_context& io, std::optional<bool>& had) -> coro<> {
        boost::asio::post(io, [&had] { had = coroscope::current_task().valid(); });
        while (!had.has_value()) {
            co_await coroscope::yield_now();
        }
    };
    v.loop.run_until_complete(body(v.loop.io_context(), had_current));
    CHECK(had_current == false);
}

TEST_CASE("no task is current while a finished task's frame and result are destroyed") {
    virtual_loop v;
    struct asks {
        bool* answer;
        explicit asks(bool& a) : answer(&a) {}
        asks(asks&& other) noexcept : answer(std::exchange(other.answer, nullptr)) {}
        asks& operator=(asks&&) = delete;
        ~asks() {
            if (answer != nullptr) { *answer = coroscope::current_task().valid(); }
        }
    };
    bool had_current = true;
    auto body = [](bool& had) -> coro<asks> {
        co_return asks(had);
    };
    v.loop.create_task(body(had_current));
    v.loop.run_forever();
    CHECK_FALSE(had_current);
}
