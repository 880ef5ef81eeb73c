// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/run.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using coroscope::coro;
using coroscope::run;
using coroscope::run_options;
using namespace std::chrono_literals;

namespace {

coro<int> number(int n) {
    co_await coroscope::yield_now();
    co_return n;
}

run_options with(manual_clock& c) {
    run_options options;
    options.clock = &c;
    return options;
}

/// Runs `f` in a child process and gives its wait status; `f` returns the exit code.
template <class F>
int status_of_child(F f) {
    const auto child = ::fork();
    if (child == 0) {
        std::signal(SIGINT, SIG_DFL);
        ::alarm(20);  // nothing here may hang
        ::_exit(f());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace

TEST_CASE("run gives the coroutine's result: values, references, move-only, void") {
    CHECK(run(number(7)) == 7);
    int target = 0;
    auto reference = [](int& t) -> coro<int&> {
        co_return t;
    };
    CHECK(&run(reference(target)) == &target);
    auto owner = []() -> coro<std::unique_ptr<int>> {
        co_return std::make_unique<int>(4);
    };
    CHECK(*run(owner()) == 4);
    auto nothing = []() -> coro<> {
        co_return;
    };
    run(nothing());
}

TEST_CASE("run throws what the coroutine throws") {
    auto thrower = []() -> coro<> {
        co_await coroscope::yield_now();
        throw std::out_of_range("from main");
    };
    CHECK_THROWS_WITH(run(thrower()), "from main");
    CHECK_THROWS_AS(coroscope::get_running_loop(), std::logic_error);
}

TEST_CASE("run takes a clock, a debug flag, a name, and a loop that somebody prepared") {
    manual_clock c;
    auto options = with(c);
    options.debug = true;
    options.name = "the main task";
    int prepared = 0;
    options.prepare = [&](coroscope::loop& l) {
        ++prepared;
        CHECK(l.debug());
        CHECK_FALSE(l.is_running());
    };
    auto body = []() -> coro<std::string> {
        co_await coroscope::sleep_for(24h);
        co_return coroscope::current_task().name();
    };
    CHECK(run(body(), options) == "the main task");
    CHECK(prepared == 1);
    CHECK(c.elapsed() == 24h);
}

TEST_CASE("run uses the loop that make_loop makes") {
    manual_clock c;
    auto options = with(c);
    coroscope::loop* made = nullptr;
    options.make_loop = [&](const coroscope::loop_options& given) {
        CHECK(given.clock == &c);
        auto l = std::make_unique<coroscope::loop>(given);
        made = l.get();
        return l;
    };
    auto body = []() -> coro<coroscope::loop*> {
        co_return &coroscope::get_running_loop();
    };
    CHECK(run(body(), options) == made);
}

TEST_CASE("tasks still alive when main ends are cancelled and awaited before run returns") {
    manual_clock c;
    std::vector<std::string> order;
    auto left = [](std::vector<std::string>& to) -> coro<> {
        std::exception_ptr cancellation;
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const coroscope::cancelled_error&) {
            to.emplace_back("cancelled");
            cancellation = std::current_exception();
        }
        co_await coroscope::sleep_for(5s);
        to.emplace_back("cleaned up");
        std::rethrow_exception(cancellation);
    };
    auto main = [](coro<> work) -> coro<> {
        coroscope::get_running_loop().create_task(std::move(work));
        co_await coroscope::yield_now();
    };
    run(main(left(order)), with(c));
    CHECK(order == std::vector<std::string>{"cancelled", "cleaned up"});
    CHECK(c.elapsed() == 5s);
}

TEST_CASE("what is left is cancelled also when main throws") {
    manual_clock c;
    bool cancelled = false;
    auto left = [](bool& flag) -> coro<> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const coroscope::cancelled_error&) {
            flag = true;
            throw;
        }
    };
    auto main = [](coro<> work) -> coro<int> {
        coroscope::get_running_loop().create_task(std::move(work));
        co_await coroscope::yield_now();
        throw std::runtime_error("main failed");
    };
    CHECK_THROWS_WITH(run(main(left(cancelled)), with(c)), "main failed");
    CHECK(cancelled);
}

TEST_CASE("run waits for the jobs of the default executor", "[threads]") {
    std::atomic<bool> ended = false;
    auto main = [](std::atomic<bool>& flag) -> coro<> {
        coroscope::get_running_loop().run_in_executor([&flag] { flag = true; });
        co_return;
    };
    run(main(ended));
    CHECK(ended);
}

TEST_CASE("a callback queued in main's last step still runs, and what that queues does not") {
    std::vector<int> ran;
    auto main = [](std::vector<int>& order) -> coro<> {
        auto& here = coroscope::get_running_loop();
        here.call_soon([&order, &here] {
            order.push_back(1);
            here.call_soon([&order] { order.push_back(2); });
        });
        co_return;
    };
    run(main(ran));
    CHECK(ran == std::vector<int>{1});
}

TEST_CASE("run inside a running loop is a clear error") {
    auto outer = []() -> coro<std::string> {
        std::string what;
        try {
            run(number(1));
        } catch (const std::logic_error& e) { what = e.what(); }
        co_return what;
    };
    CHECK(run(outer()).find("inside a running loop") != std::string::npos);
}

TEST_CASE("the first SIGINT cancels main, which may clean up", "[serial]") {
    const int status = status_of_child([] {
        bool cleaned = false;
        auto main = [](bool& flag) -> coro<> {
            coroscope::get_running_loop().call_soon([] { ::raise(SIGINT); });
            try {
                co_await coroscope::sleep_for(10min);
            } catch (const coroscope::cancelled_error& e) {
                flag = std::string(e.what()).find("SIGINT") != std::string::npos;
                throw;
            }
        };
        try {
            run(main(cleaned));
        } catch (const coroscope::cancelled_error&) { return cleaned ? 42 : 1; }
        return 2;
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 42);
}

TEST_CASE("the second SIGINT ends the process as if nobody handled it", "[serial]") {
    const int status = status_of_child([] {
        auto main = []() -> coro<> {
            coroscope::get_running_loop().call_soon([] { ::raise(SIGINT); });
            try {
                co_await coroscope::sleep_for(10min);
            } catch (const coroscope::cancelled_error&) {  // NOLINT(bugprone-empty-catch)
            }
            coroscope::get_running_loop().call_soon([] { ::raise(SIGINT); });
            co_await coroscope::sleep_for(10min);
        };
        run(main());
        return 1;
    });
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("SIGINT is left alone where the program has a handler, or does not want one",
          "[serial]") {
    const bool asked = GENERATE(true, false);
    const int status = status_of_child([asked] {
        if (asked) { std::signal(SIGINT, SIG_IGN); }
        run_options options;
        options.handle_sigint = asked;
        struct sigaction during = {};
        auto main = [](struct sigaction& to) -> coro<> {
            ::sigaction(SIGINT, nullptr, &to);
            co_return;
        };
        run(main(during), options);
        return during.sa_handler == (asked ? SIG_IGN : SIG_DFL) ? 42 : 1;
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 42);
}

TEST_CASE("after run SIGINT is what it was before", "[serial]") {
    const int status = status_of_child([] {
        run(number(1));
        struct sigaction after = {};
        ::sigaction(SIGINT, nullptr, &after);
        return after.sa_handler == SIG_DFL ? 42 : 1;
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 42);
}
