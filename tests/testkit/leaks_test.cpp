// SPDX-License-Identifier: Apache-2.0
// What a test must not leave behind, besides tasks and jobs: sockets, and timers where it says so.
#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/connection.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <memory>
#include <sstream>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;
using coroscope::testkit::this_test;

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

[[nodiscard]] asio::io_context& io() {
    return this_test().loop().io_context();
}

/// What somebody keeps beyond the test, in a singleton for instance. It goes with the loop's Asio
/// context, as sockets must.
template <class Socket>
void keep_for_ever(Socket socket) {
    auto kept = std::make_shared<Socket>(std::move(socket));
    auto timer = std::make_shared<asio::steady_timer>(io(), 24h);
    timer->async_wait([kept, timer](const boost::system::error_code&) {});
}

}  // namespace

TEST_CASE("a socket that is open when the test has ended is a failure", "[run_test]") {
    std::string port;
    const auto body = [](std::string& number) -> coro<> {
        tcp::acceptor acceptor(io(), any_port);
        number = std::to_string(acceptor.local_endpoint().port());
        keep_for_ever(std::move(acceptor));
        co_await coroscope::sleep_for(1s);
    };
    const auto result = run_test([&] { return body(port); });
    INFO(to_string(result));
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::leaked_socket);
    CHECK(result.failures[0].message.starts_with(
        "a socket was still open when the test and all of its tasks had ended: socket "));
    CHECK(result.failures[0].message.ends_with(
        ", listening at 127.0.0.1:" + port
        + "; close it, or let the object that owns it end with the test's body"));
}

TEST_CASE("an open socket says where it leads to", "[run_test]") {
    std::string peer;
    const auto body = [](std::string& to) -> coro<> {
        tcp::acceptor acceptor(io(), any_port);
        std::ostringstream address;
        address << acceptor.local_endpoint();
        to = address.str();
        tcp::socket client(io());
        client.connect(acceptor.local_endpoint());
        keep_for_ever(acceptor.accept());
        keep_for_ever(std::move(client));
        co_await coroscope::sleep_for(1s);
    };
    const auto result = run_test([&] { return body(peer); });
    INFO(to_string(result));
    CHECK(result.failures.size() == 2);
    CHECK(to_string(result).find(", connected to " + peer + ";") != std::string::npos);
}

TEST_CASE("sockets that end with the body are no leak", "[run_test]") {
    const auto body = []() -> coro<> {
        tcp::acceptor acceptor(io(), any_port);
        tcp::socket client(io());
        co_await client.async_connect(acceptor.local_endpoint(), coroscope::use_coro);
        auto served = co_await acceptor.async_accept(coroscope::use_coro);
        co_await asio::async_write(served, asio::buffer("x", 1), coroscope::use_coro);
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("a socket of a background task is no leak", "[run_test]") {
    const auto serve = []() -> coro<> {
        tcp::acceptor acceptor(io(), any_port);
        static_cast<void>(co_await acceptor.async_accept(coroscope::use_coro));
    };
    const auto body = [](auto& server) -> coro<> {
        coroscope::testkit::background(server());
        co_await coroscope::yield_now();
    };
    const auto result = run_test([&] { return body(serve); });
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("a stream that was dropped may send what it has, and is no leak", "[run_test]") {
    const auto body = []() -> coro<> {
        tcp::acceptor acceptor(io(), any_port);
        const auto port = acceptor.local_endpoint().port();
        auto client = co_await coroscope::open_connection("127.0.0.1", port);
        auto served = co_await acceptor.async_accept(coroscope::use_coro);
        client.write("to be sent in the background");
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("sockets of another loop or context are none of the test's", "[run_test]") {
    asio::io_context other;
    asio::ip::udp::socket beside(other,
                                 asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
    const auto result = run_test([]() -> coro<> { co_await coroscope::sleep_for(1s); });
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("with strict timers a callback that is still to come is a failure", "[run_test]") {
    const auto body = []() -> coro<> {
        auto& l = this_test().loop();
        l.call_later(2h, [] {});
        l.call_later(1h, [] {});
        auto cancelled = l.call_later(3h, [] {});
        cancelled.cancel();
        l.call_later(1s, [] {});
        co_await coroscope::sleep_for(2s);
    };
    CHECK(run_test(body).ok());
    test_options options;
    options.strict_timers = true;
    const auto result = run_test(body, options);
    INFO(to_string(result));
    REQUIRE(result.failures.size() == 2);
    CHECK(result.failures[0].kind == failure_kind::leaked_timer);
    CHECK(result.failures[0].message.starts_with(
        "a callback was still to come when the test had ended, at 3600 s: armed at "));
    CHECK(result.failures[1].message.find(", at 7200 s: ") != std::string::npos);
    CHECK(std::string(result.failures[1].where.file_name()).ends_with("leaks_test.cpp"));
}

TEST_CASE("a test without the hooks cannot check the heap, and says so", "[run_test]") {
    test_options options;
    options.check_heap = true;
    CHECK_THROWS_AS(run_test([]() -> coro<> { co_return; }, options), std::logic_error);
}

TEST_CASE("a finding whose rule is named fails the test", "[run_test]") {
    const auto body = []() -> coro<> {
        const auto forgotten = []() -> coro<> {
            co_return;
        };
        { const auto dropped = forgotten(); }
        co_return;
    };
    CHECK(run_test(body).ok());
    test_options options;
    options.fail_on = {"busy-loop"};
    CHECK(run_test(body, options).ok());
    options.fail_on = {"never-awaited"};
    const auto result = run_test(body, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::rule);
    CHECK(result.failures[0].message.starts_with("never-awaited: "));
}
