// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/fake_clock.hpp>

#include "support/catch.hpp"

#include <coroscope/testkit/test_run.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

// A fake clock used inside tasks, and beside what is real: executor jobs, threads, sockets.

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::duration;
using coroscope::testkit::io_policy;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;
using coroscope::testkit::this_test;
using real_clock = std::chrono::steady_clock;

namespace {

using entries = std::vector<std::pair<std::string, duration>>;

coro<> sleep_and_note(entries& to, duration d, std::string what) {
    co_await coroscope::sleep_for(d);
    to.emplace_back(what, this_test().clock().elapsed());
}

}  // namespace

TEST_CASE("a task can advance its own clock", "[fake_clock]") {
    entries seen;
    const auto body = [](entries& out) -> coro<> {
        auto& clock = this_test().clock();
        auto sleeper = this_test().loop().create_task(sleep_and_note(out, 1s, "sleeper"));
        co_await clock.advance(1s);
        out.emplace_back("advanced", clock.elapsed());
        CHECK(sleeper.done());
        co_await clock.advance(500ms);
        CHECK(clock.elapsed() == 1500ms);
    };
    const auto result = run_test([&] { return body(seen); });
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(seen == entries{{"sleeper", 1s}, {"advanced", 1s}});
    CHECK(result.virtual_elapsed == 1500ms);
}

TEST_CASE("several tasks advance at once, the nearest target first", "[fake_clock]") {
    entries seen;
    const auto advance = [](entries& out, duration d, std::string what) -> coro<> {
        co_await this_test().clock().advance(d);
        out.emplace_back(what, this_test().clock().elapsed());
    };
    const auto body = [](entries& out, auto& to) -> coro<> {
        co_await coroscope::gather(to(out, 3s, "three"), to(out, 1s, "one"), to(out, 2s, "two"),
                                   sleep_and_note(out, 1500ms, "sleeper"));
    };
    const auto result = run_test([&] { return body(seen, advance); });
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(seen == entries{{"one", 1s}, {"sleeper", 1500ms}, {"two", 2s}, {"three", 3s}});
}

TEST_CASE("an advance can be cancelled, and time stays where it was", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& clock = this_test().clock();
        const auto advancing = []() -> coro<> {
            co_await this_test().clock().advance(10s);
        };
        auto task = this_test().loop().create_task(advancing());
        const auto cancel = [&task] {
            task.cancel();
        };
        this_test().loop().call_later(4s, cancel);
        CHECK_THROWS_AS(task.result(), coroscope::invalid_state_error);
        co_await clock.advance(5s);
        CHECK(task.cancelled());
        CHECK(clock.elapsed() == 5s);
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("exceptions of callbacks are thrown at the advance's end", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& l = this_test().loop();
        auto& clock = this_test().clock();
        int later = 0;
        const auto first = [] {
            throw std::runtime_error("first");
        };
        const auto second = [] {
            throw std::logic_error("second");
        };
        const auto third = [&later] {
            ++later;
        };
        l.call_later(1s, first);
        l.call_later(2s, second);
        l.call_later(3s, third);
        std::string what;
        try {
            co_await clock.advance(5s);
        } catch (const std::runtime_error& e) { what = e.what(); }
        CHECK(what == "first");
        CHECK(clock.elapsed() == 5s);
        CHECK(later == 1);
        const auto others = clock.further_exceptions();
        CHECK(others.size() == 1);
        CHECK(coroscope::describe(others.at(0)) == "second");
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("exceptions of callbacks that nobody looked at fail the test", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& l = this_test().loop();
        const auto first = [] {
            throw std::runtime_error("first");
        };
        const auto second = [] {
            throw std::logic_error("second");
        };
        l.call_later(1s, first);
        l.call_later(2s, second);
        CHECK_THROWS_AS(this_test().clock().advance(-1s), std::invalid_argument);
        try {
            co_await this_test().clock().advance(5s);
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the first
        }
    };
    const auto result = run_test(body);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message
          == "an exception left a callback while time advanced\n    second (std::logic_error)");
}

TEST_CASE("a move that nobody awaits is a failure", "[fake_clock]") {
    const auto body = []() -> coro<> {
        this_test().clock().advance(1s);
        co_return;
    };
    const auto result = run_test(body);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message.starts_with(
        "a task told its fake clock to move but did not await that"));
    CHECK(result.virtual_elapsed == 0s);
}

TEST_CASE("a callback cannot move its clock", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& clock = this_test().clock();
        const auto move = [&clock] {
            CHECK_THROWS_AS(clock.advance(1s), std::logic_error);
        };
        this_test().loop().call_soon(move);
        co_await clock.run_ready();
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("run_until_idle in a task waits for the others", "[fake_clock]") {
    entries seen;
    const auto ticking = []() -> coro<> {
        for (;;) {
            co_await coroscope::sleep_for(1min);
        }
    };
    const auto body = [](entries& out, auto& tick) -> coro<> {
        coroscope::testkit::background(tick());
        auto work = this_test().loop().create_task(sleep_and_note(out, 90s, "work"));
        co_await this_test().clock().run_until_idle();
        CHECK(work.done());
        CHECK(this_test().clock().elapsed() == 90s);
    };
    const auto result = run_test([&] { return body(seen, ticking); });
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(seen == entries{{"work", 90s}});
}

// --- Executor jobs and threads

namespace {

/// Lets a job wait until the test says so.
class gate {
public:
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return open_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

}  // namespace

TEST_CASE("an executor job holds virtual time", "[fake_clock][threads]") {
    const auto body = []() -> coro<> {
        gate started;
        std::jthread opener;
        const auto job = [&started] {
            started.wait();
            return 5;
        };
        auto result = this_test().loop().run_in_executor(job);
        opener = std::jthread([&started] {
            // Long enough in real time for a timer of 1 ms to fire if it could.
            const auto until = real_clock::now() + 30ms;
            while (real_clock::now() < until) {
                std::this_thread::yield();
            }
            started.open();
        });
        const int value = co_await coroscope::wait_for(result, 1ms);
        CHECK(value == 5);
        CHECK(this_test().clock().elapsed() == 0s);
        opener.join();
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("with the step policy virtual time follows real time beside a job",
          "[fake_clock][threads]") {
    gate end;
    const auto body = [](gate& to_open) -> coro<> {
        const auto job = [&to_open] {
            to_open.wait();
        };
        auto result = this_test().loop().run_in_executor(job);
        co_await coroscope::sleep_for(20ms);  // passes, though the job is in flight
        CHECK(this_test().clock().elapsed() == 20ms);
        to_open.open();
        co_await result;
    };
    test_options options;
    options.io_policy = io_policy::step(5ms);
    const auto began = real_clock::now();
    const auto result = run_test([&] { return body(end); }, options);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(real_clock::now() - began >= 20ms);
}

TEST_CASE("with the step policy virtual time follows real time beside I/O", "[fake_clock]") {
    test_options options;
    options.io_policy = io_policy::step(5ms);
    const auto body = []() -> coro<> {
        using boost::asio::ip::udp;
        auto& loop = this_test().loop();
        udp::socket silent(loop.io_context(), udp::endpoint(udp::v4(), 0));
        auto wait = [](udp::socket& on) -> coro<> {
            co_await on.async_wait(udp::socket::wait_read, coroscope::use_coro);
        };
        auto waiting = loop.create_task(wait(silent));
        co_await coroscope::sleep_for(20ms);
        CHECK(this_test().clock().elapsed() == 20ms);
        waiting.cancel();
    };
    const auto began = real_clock::now();
    const auto result = run_test(body, options);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(real_clock::now() - began >= 20ms);
}

TEST_CASE("posts of other threads reopen an idle loop", "[fake_clock][threads]") {
    const auto body = []() -> coro<> {
        auto& l = this_test().loop();
        auto answer = l.create_future<int>();
        coroscope::testkit::outstanding_work token(this_test().clock());
        // A future belongs to its loop's thread: the other one takes a reference, no copy.
        std::jthread other([&l, &answer, held = std::move(token)] {
            l.call_soon_threadsafe([&answer] { answer.set_result(3); });
        });
        const int value = co_await coroscope::wait_for(answer, 1ms);
        CHECK(value == 3);
        CHECK(this_test().clock().elapsed() == 0s);
        other.join();
    };
    for (int i = 0; i < 50; ++i) {
        const auto result = run_test(body);
        INFO(to_string(result));
        REQUIRE(result.ok());
    }
}

TEST_CASE("outstanding work may end after everything else", "[fake_clock]") {
    auto clock = std::make_unique<coroscope::testkit::fake_clock>();
    auto token = std::make_unique<coroscope::testkit::outstanding_work>(*clock);
    clock.reset();
    token.reset();
    SUCCEED("nothing was touched that is gone");
}

// --- I/O

namespace {

namespace asio = boost::asio;

/// Waits for a datagram that never comes.
coro<std::size_t> receive_nothing(bool& cancelled) {
    asio::ip::udp::socket socket(this_test().loop().io_context(),
                                 asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
    std::array<char, 16> bytes{};
    try {
        co_return co_await socket.async_receive(asio::buffer(bytes), coroscope::use_coro);
    } catch (const coroscope::cancelled_error&) {
        cancelled = true;
        throw;
    }
}

coro<> time_out_on_io(bool& cancelled) {
    try {
        static_cast<void>(co_await coroscope::wait_for(receive_nothing(cancelled), 1h));
    } catch (const coroscope::timeout_error&) { CHECK(this_test().clock().elapsed() == 1h); }
}

}  // namespace

TEST_CASE("I/O holds virtual time for a cushion of real time", "[fake_clock]") {
    test_options options;
    options.io_policy = io_policy::hold(20ms);
    bool cancelled = false;
    const auto began = real_clock::now();
    const auto result = run_test([&] { return time_out_on_io(cancelled); }, options);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(cancelled);
    CHECK(real_clock::now() - began >= 20ms);
    REQUIRE(result.notes.size() == 1);
    CHECK(result.notes[0].starts_with(
        "virtual time went on though I/O was in flight: task 1 (test) at "));
}

TEST_CASE("the same I/O is held for once", "[fake_clock]") {
    test_options options;
    options.io_policy = io_policy::hold(20ms);
    bool cancelled = false;
    const auto body = [](bool& flag) -> coro<> {
        coroscope::testkit::background(time_out_on_io(flag));
        for (int i = 0; i < 1000; ++i) {
            co_await coroscope::sleep_for(1s);
        }
    };
    const auto result = run_test([&] { return body(cancelled); }, options);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(result.notes.size() == 1);
}

TEST_CASE("I/O can be ignored", "[fake_clock]") {
    test_options options;
    options.io_policy = io_policy::ignore();
    bool cancelled = false;
    const auto result = run_test([&] { return time_out_on_io(cancelled); }, options);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(cancelled);
    CHECK(result.notes.empty());
}

TEST_CASE("I/O can be forbidden", "[fake_clock]") {
    test_options options;
    options.io_policy = io_policy::forbid();
    bool cancelled = false;
    const auto result = run_test([&] { return time_out_on_io(cancelled); }, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == coroscope::testkit::failure_kind::clock);
    CHECK(result.failures[0].message.find("I/O is in flight, which io_policy::forbid does not "
                                          "allow: task 1 (test) at ")
          != std::string::npos);
    const auto without = run_test([]() -> coro<> { co_await coroscope::sleep_for(1h); }, options);
    CHECK(without.ok());
}

TEST_CASE("real I/O completes while virtual time waits for it", "[fake_clock]") {
    const auto body = []() -> coro<> {
        asio::ip::udp::socket a(this_test().loop().io_context(),
                                asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
        asio::ip::udp::socket b(this_test().loop().io_context(),
                                asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
        std::array<char, 4> sent{'p', 'i', 'n', 'g'};
        std::array<char, 16> bytes{};
        const auto from = [](asio::ip::udp::socket& s,
                             std::array<char, 16>& to) -> coro<std::size_t> {
            co_return co_await s.async_receive(asio::buffer(to), coroscope::use_coro);
        };
        auto receiving = this_test().loop().create_task(from(b, bytes));
        co_await coroscope::yield_now();
        co_await a.async_send_to(asio::buffer(sent), b.local_endpoint(), coroscope::use_coro);
        const auto got = co_await coroscope::wait_for(receiving, 1ms);
        CHECK(got == 4);
        CHECK(this_test().clock().elapsed() == 0s);
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}
