// SPDX-License-Identifier: Apache-2.0
// The recipes for waiting, cancelling and resources that users of asyncio know, with the outcomes
// that they know.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/nursery.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/task_group.hpp>
#include <coroscope/runtime/threads.hpp>
#include <coroscope/runtime/with.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::return_when;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;

/// Text with the loop's time in seconds.
std::string at(const std::string& text) {
    const auto now = coroscope::get_running_loop().time().time_since_epoch();
    return text + " at "
           + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

coro<int> delayed_print(lines& out, duration d, int n) {
    co_await coroscope::sleep_for(d);
    out.push_back(at(std::to_string(n)));
    co_return n;
}

/// Sleeps; swallows a cancellation and says when it came.
coro<> cancellable(lines& out, int seconds) {
    bool cancelled = false;
    try {
        co_await coroscope::sleep_for(std::chrono::seconds(seconds));
    } catch (const cancelled_error&) { cancelled = true; }
    out.push_back(at(std::to_string(seconds) + (cancelled ? " cancelled" : " finished")));
}

coro<int> raiser() {
    throw std::runtime_error("raised");
    co_return 0;
}

}  // namespace

TEST_CASE("recipe: a coroutine with a timeout", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](lines& o) -> coro<> {
        co_await coroscope::wait_for(delayed_print(o, 3s, 1), 4s);
        try {
            co_await coroscope::wait_for(delayed_print(o, 4s, 2), 3s);
        } catch (const coroscope::timeout_error&) { o.push_back(at("timed out")); }
    };
    v.loop.run_until_complete(main(out));
    CHECK(out == lines{"1 at 3", "timed out at 6"});
}

TEST_CASE("recipe: cancelling a task", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](coroscope::loop& l, lines& o) -> coro<> {
        auto t = l.create_task(cancellable(o, 10));
        co_await coroscope::sleep_for(3s);
        t.cancel();
        co_await t;
    };
    v.loop.run_until_complete(main(v.loop, out));
    CHECK(out == lines{"10 cancelled at 3"});
}

TEST_CASE("recipe: cancelling a task from another thread's point of view", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](coroscope::loop& l, lines& o) -> coro<> {
        auto t = l.create_task(cancellable(o, 10));
        auto told = l.create_future<bool>();
        co_await coroscope::sleep_for(3s);
        l.call_soon_threadsafe([t, told]() mutable { told.set_result(t.cancel()); });
        const bool cancelled = co_await told;
        o.push_back(at(cancelled ? "told" : "?"));
        co_await t;
    };
    v.loop.run_until_complete(main(v.loop, out));
    CHECK(out == lines{"10 cancelled at 3", "told at 3"});
}

TEST_CASE("recipe: cancelling many", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](lines& o) -> coro<> {
        std::vector<coro<>> work;
        for (int i = 0; i < 10; ++i) {
            work.push_back(cancellable(o, i));
        }
        auto all = coroscope::gather(std::move(work));
        co_await coroscope::sleep_for(3s);
        all.cancel();
        try {
            co_await all;
        } catch (const cancelled_error&) { o.push_back(at("was cancelled")); }
    };
    v.loop.run_until_complete(main(out));
    // The sleep of main was armed before child 3's, so that the cancellation finds it asleep.
    CHECK(out
          == lines{"0 finished at 0", "1 finished at 1", "2 finished at 2", "3 cancelled at 3",
                   "4 cancelled at 3", "5 cancelled at 3", "6 cancelled at 3", "7 cancelled at 3",
                   "8 cancelled at 3", "9 cancelled at 3", "was cancelled at 3"});
}

TEST_CASE("recipe: shielding", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](lines& o) -> coro<> {
        auto shielded = coroscope::shield(cancellable(o, 10));
        co_await coroscope::sleep_for(3s);
        shielded.cancel();
        try {
            co_await shielded;
        } catch (const cancelled_error&) { o.push_back(at("was cancelled")); }
        co_await coroscope::sleep_for(7s);
        co_await coroscope::yield_now();
    };
    v.loop.run_until_complete(main(out));
    CHECK(out == lines{"was cancelled at 3", "10 finished at 10"});
}

TEST_CASE("recipe: chaining, and waiting on many", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](lines& o) -> coro<std::vector<int>> {
        for (int i = 1; i <= 3; ++i) {
            co_await delayed_print(o, 1s, i);
        }
        std::vector<coro<int>> work;
        for (int i = 1; i <= 3; ++i) {
            work.push_back(delayed_print(o, 1s, i));
        }
        auto results = co_await coroscope::gather(std::move(work));
        co_return results;
    };
    CHECK(v.loop.run_until_complete(main(out)) == std::vector<int>{1, 2, 3});
    CHECK(out == lines{"1 at 1", "2 at 2", "3 at 3", "1 at 4", "2 at 4", "3 at 4"});
}

TEST_CASE("recipe: the heuristics of wait", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](coroscope::loop& l, lines& o, return_when when) -> coro<std::string> {
        auto bad = l.create_task(raiser());
        auto sleeper = l.create_task(delayed_print(o, 1s, 1));
        auto r = co_await coroscope::wait(when, bad, sleeper);
        std::string text = std::to_string(r.done.size()) + std::to_string(r.pending.size());
        text += bad.exception() != nullptr ? " failed" : " ?";
        try {
            static_cast<void>(sleeper.result());
        } catch (const coroscope::invalid_state_error&) { text += " pending"; }
        co_await sleeper;
        co_return text;
    };
    CHECK(v.loop.run_until_complete(main(v.loop, out, return_when::all_completed)) == "20 failed");
    CHECK(v.loop.run_until_complete(main(v.loop, out, return_when::first_exception))
          == "11 failed pending");
    CHECK(v.loop.run_until_complete(main(v.loop, out, return_when::first_completed))
          == "11 failed pending");
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("recipe: ignoring exceptions", "[waiting]") {
    virtual_loop v;
    lines out;
    auto main = [](coroscope::loop& l, lines& o) -> coro<std::string> {
        auto a = l.create_task(delayed_print(o, 5s, 1));
        auto b = l.create_task(raiser());
        auto c = l.create_task(delayed_print(o, 5s, 3));
        auto r = co_await coroscope::wait(a, b, c);
        std::string text;
        for (const auto& t : r.done) {
            text += t.exception() != nullptr ? " exception" : " " + std::to_string(t.result());
        }
        co_return text;
    };
    CHECK(v.loop.run_until_complete(main(v.loop, out)) == " 1 exception 3");
    CHECK(v.clock.elapsed() == 5s);
}

TEST_CASE("recipe: pending coroutines", "[waiting]") {
    virtual_loop v;
    lines out;
    auto schedule = [](coroscope::nursery<int>& pending, lines& o) -> coro<> {
        for (int i = 0; i < 3; ++i) {
            pending.schedule_coro(delayed_print(o, 3s, 42));
        }
        co_return;
    };
    auto main = [](auto s, lines& o) -> coro<std::vector<int>> {
        coroscope::nursery<int> pending;
        co_await pending.run(s(pending, o));
        std::vector<int> results;
        for (const auto& t : pending.finished()) {
            results.push_back(t.result());
        }
        co_return results;
    };
    CHECK(v.loop.run_until_complete(main(schedule, out)) == std::vector<int>{42, 42, 42});
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("recipe: a resource that gives its work to threads and awaits it at the end",
          "[waiting]") {
    struct async_file {
        std::string text;
        std::vector<coroscope::future<std::string>> pending;
        std::size_t written = 0;
        void write(const char* word) {
            pending.push_back(coroscope::get_running_loop().run_in_executor(
                [word] { return std::string(word); }));
        }
        coro<async_file&> enter() { co_return *this; }
        coro<> exit(std::exception_ptr) {
            for (auto& each : pending) {
                text += co_await each;
                ++written;
            }
        }
    };
    auto words = [](async_file& f) -> coro<> {
        for (const char* word : {"a", "b", "c"}) {
            f.write(word);
        }
        co_return;
    };
    async_file f;
    coroscope::run(coroscope::with(f, words));
    CHECK(f.text == "abc");
    CHECK(f.written == 3);
}

TEST_CASE("recipe: a closeable resource", "[waiting]") {
    // Connects on entering; closes on leaving and waits for that, also when cancelled.
    struct tcp_client {
        std::uint16_t port;
        bool* closed;
        std::unique_ptr<coroscope::stream> connection;
        tcp_client(std::uint16_t p, bool& c) : port(p), closed(&c) {}
        coro<coroscope::stream&> enter() {
            auto made = co_await coroscope::open_connection("127.0.0.1", port);
            connection = std::make_unique<coroscope::stream>(std::move(made));
            co_return *connection;
        }
        coro<> exit(std::exception_ptr) {
            connection->close();
            co_await connection->wait_closed();
            *closed = true;
        }
    };
    auto echo = [](coroscope::stream s) -> coro<> {
        auto text = co_await s.read(16);
        s.write(text);
        co_await s.drain();
        co_await s.read(1);  // until the client closes
    };
    auto ask = [](coroscope::stream& s, std::string& answer) -> coro<> {
        s.write("hi");
        answer = co_await s.read(2);
        co_await coroscope::sleep_for(duration::max());  // until it is cancelled
    };
    auto main = [](auto serve, auto a, std::string& answer, bool& closed) -> coro<> {
        auto server = co_await coroscope::start_server(serve, "127.0.0.1", 0);
        auto t = coroscope::get_running_loop().create_task(
            coroscope::with(tcp_client(server.port(), closed), a, answer));
        while (answer.empty()) {
            co_await coroscope::yield_now();
        }
        t.cancel();
        co_await coroscope::wait(t);
        server.close();
        co_await server.wait_closed();
    };
    std::string answer;
    bool closed = false;
    coroscope::run(main(echo, ask, answer, closed));
    CHECK(answer == "hi");
    CHECK(closed);
}

TEST_CASE("recipe: a worker pool whose end awaits its work", "[waiting]") {
    virtual_loop v;
    lines out;
    auto workers = [](coroscope::task_group& pool, lines& o) -> coro<> {
        for (int i = 1; i <= 3; ++i) {
            pool.create_task(delayed_print(o, std::chrono::seconds(i), i));
        }
        co_return;
    };
    auto main = [](auto w, lines& o) -> coro<> {
        coroscope::task_group pool;
        co_await pool.run(w(pool, o));
        o.push_back(at("all done"));
    };
    v.loop.run_until_complete(main(workers, out));
    CHECK(out == lines{"1 at 1", "2 at 2", "3 at 3", "all done at 3"});
}
