// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/awaitable.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <stdexcept>
#include <string>

namespace asio = boost::asio;
using coroscope::coro;
using coroscope::from_awaitable;

namespace {

asio::awaitable<int> hops(int count) {
    for (int i = 0; i < count; ++i) {
        co_await asio::post(asio::use_awaitable);
    }
    co_return count;
}

asio::awaitable<void> failing() {
    co_await asio::post(asio::use_awaitable);
    throw std::runtime_error("from Asio");
}

/// Waits for ever, and says whether it was cancelled.
asio::awaitable<void> waiting(std::string& said) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    timer.expires_at(asio::steady_timer::time_point::max());
    said = "waiting";
    try {
        co_await timer.async_wait(asio::use_awaitable);
    } catch (const boost::system::system_error& e) {
        said = e.code() == asio::error::operation_aborted ? "aborted" : "other";
        throw;
    }
}

}  // namespace

TEST_CASE("an Asio awaitable gives its result to a coro", "[asio]") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        const auto n = co_await from_awaitable(hops(3));
        co_return n + 1;
    };
    CHECK(v.loop.run_until_complete(body()) == 4);
}

TEST_CASE("what an Asio awaitable throws is thrown at the co_await", "[asio]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        co_await from_awaitable(failing());
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body()), "from Asio");
}

TEST_CASE("cancelling the task aborts the awaitable and throws cancelled_error", "[asio]") {
    virtual_loop v;
    std::string said;
    auto body = [](std::string& out) -> coro<> {
        co_await from_awaitable(waiting(out));
    };
    auto cancel = [](coroscope::task<> target, const std::string& state) -> coro<> {
        while (state != "waiting") {
            co_await coroscope::yield_now();
        }
        target.cancel("enough");
    };
    auto t = v.loop.create_task(body(said));
    v.loop.create_task(cancel(t, said));
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "enough");
    CHECK(t.cancelled());
    CHECK(said == "aborted");
}

TEST_CASE("a cancellation that comes before the awaitable's first step ends it too", "[asio]") {
    virtual_loop v;
    std::string said;
    auto body = [](std::string& out) -> coro<> {
        co_await from_awaitable(waiting(out));
    };
    auto t = v.loop.create_task(body(said));
    v.loop.call_soon([t]() mutable { t.cancel("early"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "early");
    CHECK(v.reported.empty());
}

TEST_CASE("an awaitable that was not cancelled may end as aborted by itself", "[asio]") {
    virtual_loop v;
    auto aborts = []() -> asio::awaitable<void> {
        throw boost::system::system_error(asio::error::operation_aborted);
        co_return;
    };
    auto body = [](asio::awaitable<void> work) -> coro<> {
        co_await from_awaitable(std::move(work));
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(body(aborts())), boost::system::system_error);
}

TEST_CASE("an awaitable outside of a running loop is refused", "[asio]") {
    CHECK_THROWS_AS(from_awaitable(hops(1)), std::logic_error);
}
