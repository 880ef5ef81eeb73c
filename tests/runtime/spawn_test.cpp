// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/spawn.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <exception>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace asio = boost::asio;
using coroscope::coro;
using namespace std::chrono_literals;

namespace {

coro<int> after(coroscope::duration delay, int value) {
    co_await coroscope::sleep_for(delay);
    co_return value;
}

coro<> fail() {
    co_await coroscope::yield_now();
    throw std::runtime_error("from coroscope");
}

std::string text_of(const std::exception_ptr& thrown) {
    return thrown == nullptr ? "" : coroscope::describe(thrown);
}

}  // namespace

TEST_CASE("Asio code gets a coro's result through a callback", "[asio]") {
    virtual_loop v;
    int got = 0;
    coroscope::spawn(v.loop, after(2s, 7), [&](std::exception_ptr thrown, int value) {
        CHECK(thrown == nullptr);
        got = value;
        v.loop.stop();
    });
    v.loop.run_forever();
    CHECK(got == 7);
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("an Asio awaitable awaits a coro of a loop that runs it", "[asio]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> asio::awaitable<int> {
        const int value = co_await coroscope::spawn(l, after(1s, 20), asio::use_awaitable);
        co_return value + 1;
    };
    int got = 0;
    asio::co_spawn(v.loop.io_context(), body(v.loop), [&](std::exception_ptr, int value) {
        got = value;
        v.loop.stop();
    });
    v.loop.create_task(after(3s, 0));  // so that the clock has something to wait for
    v.loop.run_forever();
    CHECK(got == 21);
}

TEST_CASE("another thread's Asio code awaits a coro", "[asio][threads]") {
    virtual_loop v;
    v.clock.waits_for_others = true;
    std::future<int> result;
    std::thread other([&] {
        asio::io_context io;
        auto body = [](coroscope::loop& l) -> asio::awaitable<int> {
            const int value = co_await coroscope::spawn(l, after(1s, 30), asio::use_awaitable);
            co_return value;
        };
        result = asio::co_spawn(io, body(v.loop), asio::use_future);
        io.run();
        v.loop.stop_threadsafe();
    });
    v.loop.run_forever();
    other.join();
    CHECK(result.get() == 30);
}

TEST_CASE("what a coro throws reaches the Asio code, once", "[asio]") {
    virtual_loop v;
    std::string said;
    coroscope::spawn(v.loop, fail(), [&](std::exception_ptr thrown) {
        said = text_of(thrown);
        v.loop.stop();
    });
    v.loop.run_forever();
    CHECK(said == "from coroscope");
    CHECK(v.reported.empty());
}

TEST_CASE("Asio's cancellation cancels the task, which ends as aborted", "[asio]") {
    virtual_loop v;
    asio::cancellation_signal stop;
    std::string said;
    coroscope::spawn(v.loop, after(1h, 1),
                     asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr thrown, int) {
                         try {
                             std::rethrow_exception(thrown);
                         } catch (const boost::system::system_error& e) {
                             said = e.code() == asio::error::operation_aborted ? "aborted" : "";
                         }
                         v.loop.stop();
                     }));
    v.loop.call_later(2s, [&stop] { stop.emit(asio::cancellation_type::terminal); });
    v.loop.run_forever();
    CHECK(said == "aborted");
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("a closed loop tells the Asio code, and the coro is destroyed unrun", "[asio]") {
    virtual_loop v;
    v.loop.close();
    asio::io_context other;
    std::string said;
    coroscope::spawn(v.loop, after(1s, 1),
                     asio::bind_executor(
                         other, [&](std::exception_ptr thrown, int) { said = text_of(thrown); }));
    CHECK(said.empty());  // never inside of the call that starts it
    other.run();
    CHECK(said.find("the loop is closed") != std::string::npos);
}
