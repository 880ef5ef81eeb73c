// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess.hpp>

#include "runtime/subprocess_pair.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <optional>

using namespace subprocess_pair;
using coroscope::child_watching;
using stream_pair::contains;

namespace {

const auto all_ways = {child_watching::automatic, child_watching::descriptor,
                       child_watching::thread};

[[nodiscard]] subprocess_options watched_by(child_watching how) {
    auto options = all_pipes();
    options.watching = how;
    return options;
}

}  // namespace

TEST_CASE("a process object that is dropped kills its child, and the loop reaps it", "[io]") {
    for (const auto how : all_ways) {
        auto body = [](child_watching watching) -> coro<> {
            pid_t pid = 0;
            {
                auto p = co_await start_program(command("sleep", "1000"), watched_by(watching));
                pid = p.pid();
                CHECK(exists(pid));
            }
            const auto is_gone = [pid] {
                return !exists(pid);
            };
            co_await until(is_gone);
        };
        coroscope::run(body(how));
    }
    CHECK_FALSE(has_children());
}

TEST_CASE("assigning to a process object ends the child that it had", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("sleep", "1000"));
        const pid_t pid = p.pid();
        p = co_await start_program(command("cat"));
        const auto is_gone = [pid] {
            return !exists(pid);
        };
        co_await until(is_gone);
        CHECK(exists(p.pid()));
    }());
}

TEST_CASE("closing a loop kills its children and waits for them", "[io]") {
    for (const auto how : all_ways) {
        virtual_loop v;
        auto body = [](child_watching watching, pid_t& pid, bool& is_woken) -> coro<> {
            auto p = co_await start_program(command("sleep", "1000"), watched_by(watching));
            pid = p.pid();
            coroscope::get_running_loop().stop();
            co_await p.wait();
            is_woken = true;
        };
        pid_t pid = 0;
        bool is_woken = false;
        auto t = v.loop.create_task(body(how, pid, is_woken));
        v.loop.run_forever();
        CHECK(exists(pid));
        v.loop.close();
        CHECK_FALSE(exists(pid));
        CHECK_FALSE(has_children());
        CHECK(t.done());
        CHECK_FALSE(is_woken);
        v.reported.clear();
    }
}

TEST_CASE("a process object that is kept knows how its child ended with the loop", "[io]") {
    virtual_loop v;
    std::optional<process> kept;
    auto body = [](std::optional<process>& to) -> coro<> {
        auto p = co_await start_program(command("sleep", "1000"));
        to.emplace(std::move(p));
    };
    v.loop.run_until_complete(body(kept));
    v.loop.close();
    CHECK(kept->returncode() == -SIGKILL);
    CHECK_FALSE(kept->kill());
    kept.reset();
}

TEST_CASE("other code's children are left alone", "[io]") {
    for (const auto how : all_ways) {
        const pid_t other = ::fork();
        if (other == 0) { ::_exit(7); }
        siginfo_t facts = {};
        REQUIRE(::waitid(P_PID, static_cast<id_t>(other), &facts, WEXITED | WNOWAIT) == 0);
        auto body = [](child_watching watching) -> coro<int> {
            auto p = co_await start_program(command("false"), watched_by(watching));
            co_return co_await p.wait();
        };
        CHECK(coroscope::run(body(how)) == 1);
        int status = 0;
        CHECK(::waitpid(other, &status, WNOHANG) == other);
        CHECK(WEXITSTATUS(status) == 7);
    }
}

TEST_CASE("a child that others have reaped has return code 255, and the handler is told", "[io]") {
    for (const auto how : all_ways) {
        virtual_loop v;
        auto body = [](child_watching watching) -> coro<int> {
            auto p = co_await start_program(command("cat"), watched_by(watching));
            p.input().close();
            ::waitpid(p.pid(), nullptr, 0);
            co_return co_await p.wait();
        };
        CHECK(v.loop.run_until_complete(body(how)) == 255);
        REQUIRE(v.reported.size() == 1);
        CHECK(contains(v.reported.front().message, "(cat) was reaped by somebody else"));
    }
}

TEST_CASE("no SIGCHLD handler is installed", "[io]") {
    struct sigaction before = {};
    ::sigaction(SIGCHLD, nullptr, &before);
    coroscope::run([]() -> coro<> {
        auto p = co_await start_program(command("true"));
        co_await p.wait();
        struct sigaction now = {};
        ::sigaction(SIGCHLD, nullptr, &now);
        CHECK(now.sa_handler == SIG_DFL);
    }());
    struct sigaction after = {};
    ::sigaction(SIGCHLD, nullptr, &after);
    CHECK(after.sa_handler == before.sa_handler);
}

TEST_CASE("a loop that is cancelled with children running ends them all", "[io]") {
    auto body = []() -> coro<> {
        auto first = co_await start_program(command("sleep", "1000"));
        auto second = co_await start_shell("sleep 1000");
        auto main = coroscope::current_task();
        coroscope::get_running_loop().call_soon([main]() mutable { main.cancel(); });
        co_await second.communicate();
    };
    CHECK_THROWS_AS(coroscope::run(body()), coroscope::cancelled_error);
    CHECK_FALSE(has_children());
}
