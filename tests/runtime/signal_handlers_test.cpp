// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/signal_handlers.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/asio/io_context.hpp>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using coroscope::coro;

namespace {

/// Handles a signal the old way while it lives.
class plain_handler {
public:
    explicit plain_handler(int signal) : signal_(signal) {
        struct sigaction action = {};
        action.sa_handler = [](int) {
            calls = calls + 1;
        };
        ::sigaction(signal_, &action, &before_);
        calls = 0;
    }
    plain_handler(const plain_handler&) = delete;
    plain_handler& operator=(const plain_handler&) = delete;
    ~plain_handler() { ::sigaction(signal_, &before_, nullptr); }
    static inline volatile std::sig_atomic_t calls = 0;

private:
    int signal_;
    struct sigaction before_ = {};
};

coro<> wait_until(const int& count, int wanted) {
    while (count < wanted) {
        co_await coroscope::yield_now();
    }
}

}  // namespace

TEST_CASE("a signal's handler is called by the loop, as often as it comes", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        int calls = 0;
        coroscope::add_signal_handler(loop, SIGUSR1, [&] { ++calls; });
        std::raise(SIGUSR1);
        CHECK(calls == 0);
        co_await wait_until(calls, 1);
        std::raise(SIGUSR1);
        co_await wait_until(calls, 2);
        int others = 0;
        coroscope::add_signal_handler(loop, SIGUSR1, [&] { ++others; });
        std::raise(SIGUSR1);
        co_await wait_until(others, 1);
        CHECK(calls == 2);
        CHECK(coroscope::remove_signal_handler(loop, SIGUSR1));
        CHECK_FALSE(coroscope::remove_signal_handler(loop, SIGUSR1));
    }());
}

TEST_CASE("removing a handler, or closing its loop, restores what was before", "[io]") {
    const plain_handler before(SIGUSR2);
    virtual_loop l;
    coroscope::add_signal_handler(l.loop, SIGUSR2, [] {});
    std::raise(SIGUSR2);
    CHECK(plain_handler::calls == 0);
    coroscope::remove_signal_handler(l.loop, SIGUSR2);
    std::raise(SIGUSR2);
    CHECK(plain_handler::calls == 1);

    virtual_loop other;
    auto kept = std::make_shared<int>(1);
    const std::weak_ptr<int> seen = kept;
    coroscope::add_signal_handler(l.loop, SIGUSR2, [kept] {});
    coroscope::add_signal_handler(other.loop, SIGUSR2, [] {});
    kept.reset();
    l.loop.close();
    CHECK(seen.expired());
    std::raise(SIGUSR2);
    CHECK(plain_handler::calls == 1);  // the other loop still has it
    other.loop.close();
    std::raise(SIGUSR2);
    CHECK(plain_handler::calls == 2);
}

TEST_CASE("what a signal's handler throws is reported, and the next signal is handled", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        std::vector<std::string> told;
        loop.set_exception_handler(
            [&told](coroscope::loop&, const coroscope::exception_context& context) {
                told.push_back(coroscope::describe(context.exception));
            });
        int calls = 0;
        coroscope::add_signal_handler(
            loop, SIGUSR1, [&] { throw std::runtime_error("signal " + std::to_string(++calls)); });
        for (int i = 1; i <= 2; ++i) {
            std::raise(SIGUSR1);
            co_await wait_until(calls, i);
        }
        co_await coroscope::yield_now();
        CHECK(told == std::vector<std::string>{"signal 1", "signal 2"});
    }());
}

TEST_CASE("a handler removed after its signal came is not called", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const plain_handler before(SIGUSR1);
        int calls = 0;
        coroscope::add_signal_handler(loop, SIGUSR1, [&] { ++calls; });
        std::raise(SIGUSR1);
        bool was_seen = false;
        while (!was_seen) {  // asks Asio by itself, so that the callback is ready and has not run
            was_seen = loop.io_context().poll() > 0;
        }
        coroscope::remove_signal_handler(loop, SIGUSR1);
        for (int i = 0; i < 500; ++i) {
            co_await coroscope::yield_now();
        }
        CHECK(calls == 0);
    }());
}

TEST_CASE("signals that cannot be handled are refused", "[io]") {
    virtual_loop l;
    for (const int impossible : {0, -1, 9999, SIGKILL, SIGSTOP}) {
        CHECK_THROWS_AS(coroscope::add_signal_handler(l.loop, impossible, [] {}),
                        std::invalid_argument);
    }
    l.loop.close();
    CHECK_THROWS_AS(coroscope::add_signal_handler(l.loop, SIGUSR1, [] {}),
                    coroscope::invalid_state_error);
    CHECK_FALSE(coroscope::remove_signal_handler(l.loop, SIGUSR1));
}
