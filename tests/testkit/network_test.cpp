// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/network.hpp>

#include "support/catch.hpp"

#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/intercept_sleep.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using coroscope::coro;
using address = coroscope::datagram_address;
using coroscope::stream;
using coroscope::testkit::link_options;
using coroscope::testkit::network;
using coroscope::testkit::network_options;
using coroscope::testkit::run_test;
using coroscope::testkit::settle;
using coroscope::testkit::this_test;
namespace asio_error = boost::asio::error;

namespace {

coro<> echo(stream s) {
    while (true) {
        const auto line = co_await s.read_line();
        if (line.empty()) { co_return; }
        s.write(line);
        co_await s.drain();
    }
}

coro<> swallow_all(stream s) {
    static_cast<void>(co_await s.read_all());
}

coro<> nothing() {
    co_return;
}

coro<std::string> ask(stream& s, std::string line) {
    s.write(line);
    co_return co_await s.read_line();
}

/// Connections outlive their server, as they do elsewhere.
coro<> finish(coroscope::server& s) {
    s.close();
    s.cancel_connections();
    co_await s.wait_closed();
}

coro<error_code> error_of_connecting(network& net, std::string to) {
    try {
        static_cast<void>(co_await net.host("client").open_connection(to, 80));
    } catch (const system_error& e) { co_return e.code(); }
    co_return error_code();
}

[[nodiscard]] coroscope::duration elapsed() {
    return this_test().clock().elapsed();
}

[[nodiscard]] link_options slow_link(coroscope::duration latency) {
    link_options link;
    link.latency = latency;
    return link;
}

}  // namespace

CO_TEST_CASE("hosts talk over streams, at once by default", "[network]") {
    network net;
    auto server = co_await net.host("server").start_server(echo, "", 7);
    CO_CHECK(server.port() == 7);
    CO_CHECK(server.endpoints() == std::vector<std::string>{"server:7"});
    auto s = co_await net.host("client").open_connection("server", 7);
    CO_CHECK(s.remote_endpoint() == "server:7");
    CO_CHECK(s.local_endpoint() == "client:49152");
    CO_CHECK(co_await ask(s, "hello\n") == "hello\n");
    CO_CHECK(server.connections() == 1);
    CO_CHECK(elapsed() == 0s);
    s.close();
    server.close();
    co_await server.wait_closed();
    CO_CHECK(server.connections() == 0);
}

CO_TEST_CASE("latency counts each way, for connecting too", "[network]") {
    network net;
    net.set_link("client", "server", slow_link(30ms));
    auto server = co_await net.host("server").start_server(echo, "server", 7);
    auto s = co_await net.host("client").open_connection("server", 7);
    CO_CHECK(elapsed() == 60ms);
    CO_CHECK(co_await ask(s, "hello\n") == "hello\n");
    CO_CHECK(elapsed() == 120ms);
    co_await finish(server);
}

CO_TEST_CASE("bandwidth is shared by what is on the link", "[network]") {
    network_options options;
    options.link.bandwidth = 1000;
    options.segment = 100;
    network net(options);
    auto server = co_await net.host("server").start_server(swallow_all, "", 7);
    auto one = co_await net.host("client").open_connection("server", 7);
    auto two = co_await net.host("client").open_connection("server", 7);
    const auto began = elapsed();
    one.write(std::string(1500, 'x'));
    two.write(std::string(500, 'x'));
    one.close();
    two.close();
    server.close();
    co_await server.wait_closed();
    CO_CHECK(elapsed() - began == 2s);
}

CO_TEST_CASE("a stream arrives in segments", "[network]") {
    network_options options;
    options.segment = 4;
    options.link.bandwidth = 4;
    network net(options);
    std::vector<std::string> pieces;
    const auto read_pieces = [&pieces](stream s) {
        const auto read = [](std::vector<std::string>& to, stream from) -> coro<> {
            for (auto piece = co_await from.read(100); !piece.empty();) {
                to.push_back(piece);
                piece = co_await from.read(100);
            }
        };
        return read(pieces, std::move(s));
    };
    auto server = co_await net.host("server").start_server(read_pieces, "", 7);
    auto s = co_await net.host("client").open_connection("server", 7);
    s.write("abcdefghij");
    s.close();
    server.close();
    co_await server.wait_closed();
    CO_CHECK(pieces == std::vector<std::string>{"abcd", "efgh", "ij"});
}

CO_TEST_CASE("the window holds a writer back whose reader is slow", "[network]") {
    network_options options;
    options.window = 100;
    network net(options);
    std::optional<stream> served;
    auto server = co_await net.host("server").start_server(
        [&served](stream s) {
            served.emplace(std::move(s));
            return nothing();
        },
        "", 7);
    auto s = co_await net.host("client").open_connection("server", 7);
    s.write(std::string(250, 'x'));
    co_await settle();
    CO_CHECK(s.unsent() == 150);
    CO_CHECK(co_await served->read_exactly(100) == std::string(100, 'x'));
    co_await settle();
    CO_CHECK(s.unsent() == 50);
    s.abort();
}

TEST_CASE("jitter and loss are decided by the seed, and streams stay whole", "[network]") {
    const auto run = [](std::uint64_t seed) {
        coroscope::duration took{};
        const auto body = [](std::uint64_t with, coroscope::duration& to) -> coro<> {
            network_options options;
            options.seed = with;
            options.link.latency = 10ms;
            options.link.jitter = 5ms;
            options.link.loss = 0.2;
            options.segment = 7;
            network net(options);
            auto server = co_await net.host("server").start_server(echo, "", 7);
            auto s = co_await net.host("client").open_connection("server", 7);
            for (int i = 0; i < 20; ++i) {
                const auto line = "line " + std::to_string(i) + " of a conversation\n";
                const auto reply = co_await ask(s, line);
                CHECK(reply == line);
            }
            to = this_test().clock().elapsed();
            co_await finish(server);
        };
        const auto result = run_test([&] { return body(seed, took); });
        INFO(to_string(result));
        CHECK(result.ok());
        return took;
    };
    const auto first = run(1);
    CHECK(first == run(1));
    CHECK(first != run(2));
    CHECK(first > 42 * 10ms + 200ms);  // something was lost
}

CO_TEST_CASE("a partition holds streams, and healing sends what waited", "[network]") {
    network net;
    net.set_link("client", "server", slow_link(10ms));
    auto server = co_await net.host("server").start_server(echo, "", 7);
    auto s = co_await net.host("client").open_connection("server", 7);
    net.partition("client", "server");
    CO_CHECK_THROWS_AS(co_await coroscope::wait_for(ask(s, "hello\n"), 1h),
                       coroscope::timeout_error);
    const auto healed = elapsed();
    net.heal("client", "server");
    CO_CHECK(co_await s.read_line() == "hello\n");
    CO_CHECK(elapsed() - healed == 200ms + 10ms + 10ms);
    co_await finish(server);
}

CO_TEST_CASE("a partition parts two hosts, not others", "[network]") {
    network net;
    auto server = co_await net.host("server").start_server(echo, "", 7);
    net.partition("client", "server");
    auto s = co_await net.host("other").open_connection("server", 7);
    CO_CHECK(co_await ask(s, "hello\n") == "hello\n");
    co_await finish(server);
}

CO_TEST_CASE("connecting fails as it would", "[network]") {
    network net;
    net.set_link("client", "server", slow_link(10ms));
    CO_CHECK(co_await error_of_connecting(net, "nowhere") == asio_error::host_not_found);
    CO_CHECK(elapsed() == 0s);
    net.host("server");
    CO_CHECK(co_await error_of_connecting(net, "server") == asio_error::connection_refused);
    CO_CHECK(elapsed() == 20ms);
    net.partition("client", "server");
    CO_CHECK(co_await error_of_connecting(net, "server") == asio_error::timed_out);
    CO_CHECK(elapsed() == 20ms + 1min);
}

CO_TEST_CASE("who waits for a way goes on when there is one", "[network]") {
    network net;
    auto server = co_await net.host("server").start_server(echo, "", 80);
    net.partition("client", "server");
    auto connecting = this_test().loop().create_task(error_of_connecting(net, "server"));
    co_await coroscope::sleep_for(5s);
    CO_CHECK_FALSE(connecting.done());
    net.heal("client", "server");
    CO_CHECK(co_await connecting == error_code());
    CO_CHECK(elapsed() == 5s);
}

CO_TEST_CASE("a reset breaks the streams between two hosts", "[network]") {
    network net;
    auto server = co_await net.host("server").start_server(swallow_all, "", 7);
    auto s = co_await net.host("client").open_connection("server", 7);
    auto other = co_await net.host("other").open_connection("server", 7);
    auto reader = this_test().loop().create_task(s.read(1));
    co_await settle();
    this_test().loop().set_exception_handler([](coroscope::loop&, const auto&) {});
    net.reset("client", "server");
    try {
        static_cast<void>(co_await reader);
        CO_FAIL("the stream was read from");
    } catch (const system_error& e) { CO_CHECK(e.code() == asio_error::connection_reset); }
    s.write("x");
    CO_CHECK_THROWS_AS(co_await s.drain(), system_error);
    CO_CHECK(server.connections() == 1);
    other.write("still there");
    co_await other.drain();
    co_await finish(server);
}

CO_TEST_CASE("a port has one server, and is free again once that is closed", "[network]") {
    network net;
    auto host = net.host("server");
    auto first = co_await host.start_server(echo, "", 7);
    CO_CHECK_THROWS_AS(co_await host.start_server(echo, "", 7), system_error);
    CO_CHECK_THROWS_AS(co_await host.start_server(echo, "elsewhere", 8), system_error);
    first.close();
    auto second = co_await host.start_server(echo, "", 7);
    auto any = co_await host.start_server(echo, "", 0);
    CO_CHECK(any.port() >= 49152);
    auto s = co_await net.host("client").open_connection("server", 7);
    CO_CHECK(co_await ask(s, "a\n") == "a\n");
    co_await finish(second);
}

CO_TEST_CASE("a server's connections are tasks like any other server's", "[network]") {
    network net;
    std::string told;
    this_test().loop().set_exception_handler(
        [&told](coroscope::loop&, const coroscope::exception_context& context) {
            told = context.task_name + ": " + coroscope::describe(context.exception);
        });
    const auto fail = [](stream) -> coro<> {
        throw std::runtime_error("no service");
        co_return;
    };
    auto server = co_await net.host("server").start_server(fail, "", 7);
    auto s = co_await net.host("client").open_connection("server", 7);
    CO_CHECK(co_await s.read_all() == "");
    co_await settle();
    CO_CHECK(told == "connection client:49152: no service");
}

CO_TEST_CASE("a host's functions go where the real ones go", "[network]") {
    using connect_function = std::function<coro<stream>(std::string, std::uint16_t)>;
    network net;
    auto server = co_await net.host("server").start_server(echo, "", 7);
    const auto client = net.host("client");
    const connect_function connect = [client](std::string host, std::uint16_t port) {
        return client.open_connection(std::move(host), port);
    };
    auto s = co_await connect("server", 7);
    CO_CHECK(co_await ask(s, "a\n") == "a\n");
    co_await finish(server);
}

CO_TEST_CASE("a network's time is not that of sleeps", "[network]") {
    network net;
    net.set_link("client", "server", slow_link(10ms));
    auto server = co_await net.host("server").start_server(echo, "", 7);
    const coroscope::testkit::intercept_sleep sleeps;
    auto s = co_await net.host("client").open_connection("server", 7);
    CO_CHECK(sleeps.sleeps().empty());
    CO_CHECK(elapsed() == 20ms);
    co_await finish(server);
}

// --- Datagrams

CO_TEST_CASE("datagrams arrive after their latency, with their sender", "[network]") {
    network net;
    net.set_link("a", "b", slow_link(10ms));
    auto a = co_await net.host("a").open_datagram_endpoint("", 0);
    auto b = co_await net.host("b").open_datagram_endpoint("", 53);
    co_await a.send_to("ping", address("b", 53));
    const auto got = co_await b.receive_from();
    CO_CHECK(got.bytes == "ping");
    CO_CHECK(got.from == address("a", a.port()));
    CO_CHECK(elapsed() == 10ms);
    co_await b.send_to("", got.from);
    const auto reply = co_await a.receive_from();
    CO_CHECK(reply.bytes.empty());
    co_await a.send_to("x", address("b", 54));
    co_await a.send_to("x", address("nowhere", 53));
}

/// Code under test: it knows sockets, and no networks that are simulated.
coro<std::string> ask_once(coroscope::datagram_endpoint from, std::string question) {
    co_await from.send(std::move(question));
    const auto answer = co_await from.receive_from();
    co_return answer.bytes;
}

coro<> answer_one(coroscope::datagram_endpoint at) {
    const auto asked = co_await at.receive_from();
    co_await at.send_to("re: " + asked.bytes, asked.from);
}

CO_TEST_CASE("code under test gets the endpoints that it would get of sockets", "[network]") {
    network net;
    auto there = co_await net.host("b").open_datagram_endpoint("b", 53);
    CO_CHECK(there.local_endpoint() == "b:53");
    auto served = this_test().loop().create_task(answer_one(std::move(there)));
    auto here = co_await net.host("a").connect_datagram_endpoint("b", 53);
    CO_CHECK(co_await ask_once(std::move(here), "who") == "re: who");
    co_await served;
    // Both are gone, and closed with that.
    const auto again = co_await net.host("b").open_datagram_endpoint("", 53);
    CO_CHECK(again.port() == 53);
}

CO_TEST_CASE("a connected endpoint hears its peer alone", "[network]") {
    network net;
    auto peer = co_await net.host("b").open_datagram_endpoint("", 53);
    auto other = co_await net.host("b").open_datagram_endpoint("", 54);
    auto here = co_await net.host("a").connect_datagram_endpoint("b", 53);
    co_await other.send_to("not asked for", address("a", here.port()));
    co_await peer.send_to("asked for", address("a", here.port()));
    const auto got = co_await here.receive_from();
    CO_CHECK(got.bytes == "asked for");
    CO_CHECK_THROWS_AS(co_await peer.send("to whom?"), coroscope::invalid_state_error);
    CO_CHECK_THROWS_AS(co_await net.host("a").connect_datagram_endpoint("nowhere", 53),
                       system_error);
    CO_CHECK_THROWS_AS(co_await net.host("a").open_datagram_endpoint("b", 55), system_error);
}

CO_TEST_CASE("jitter turns datagrams around, loss drops some", "[network]") {
    network_options options;
    options.seed = 3;
    options.link.jitter = 10ms;
    options.link.loss = 0.3;
    network net(options);
    auto a = co_await net.host("a").open_datagram_endpoint("", 1);
    auto b = co_await net.host("b").open_datagram_endpoint("", 2);
    for (char c = 'a'; c <= 'z'; ++c) {
        const std::string bytes(1, c);
        co_await a.send_to(bytes, address("b", 2));
    }
    co_await coroscope::sleep_for(1s);
    std::string got;
    while (true) {
        try {
            const auto next = co_await coroscope::wait_for(b.receive_from(), 1s);
            got += next.bytes;
        } catch (const coroscope::timeout_error&) { break; }
    }
    CO_CHECK(got.size() > 10);
    CO_CHECK(got.size() < 26);
    auto sorted = got;
    std::sort(sorted.begin(), sorted.end());
    CO_CHECK(got != sorted);
    CO_CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
}

CO_TEST_CASE("a partition loses datagrams", "[network]") {
    network net;
    auto a = co_await net.host("a").open_datagram_endpoint("", 1);
    auto b = co_await net.host("b").open_datagram_endpoint("", 2);
    net.set_link("a", "b", slow_link(10ms));
    co_await a.send_to("on the way", address("b", 2));
    net.partition("a", "b");
    co_await coroscope::sleep_for(1s);
    co_await a.send_to("lost", address("b", 2));
    net.heal("a", "b");
    co_await a.send_to("there", address("b", 2));
    const auto got = co_await b.receive_from();
    CO_CHECK(got.bytes == "there");
}

CO_TEST_CASE("closing ends who receives, and frees the port", "[network]") {
    network net;
    auto a = co_await net.host("a").open_datagram_endpoint("", 1);
    CO_CHECK_THROWS_AS(co_await net.host("a").open_datagram_endpoint("", 1), system_error);
    auto receiving = this_test().loop().create_task(a.receive_from());
    co_await settle();
    a.close();
    CO_CHECK_THROWS_AS(co_await receiving, coroscope::invalid_state_error);
    CO_CHECK_THROWS_AS(co_await a.send_to("x", address("a", 1)), coroscope::invalid_state_error);
    auto again = co_await net.host("a").open_datagram_endpoint("", 1);
    CO_CHECK(again.port() == 1);
}

CO_TEST_CASE("a datagram that a cancelled receiver was woken for goes to the next", "[network]") {
    network net;
    auto a = co_await net.host("a").open_datagram_endpoint("", 1);
    auto first = this_test().loop().create_task(a.receive_from());
    auto second = this_test().loop().create_task(a.receive_from());
    co_await settle();
    co_await a.send_to("x", address("a", 1));
    this_test().loop().call_soon([first]() mutable { first.cancel(); });
    const auto got = co_await coroscope::wait_for(second, 1s);
    CO_CHECK(got.bytes == "x");
    CO_CHECK_THROWS_AS(co_await first, coroscope::cancelled_error);
}

CO_TEST_CASE("options must make sense", "[network]") {
    network_options bad_loss;
    bad_loss.link.loss = 1;
    CO_CHECK_THROWS_AS(network(bad_loss), std::invalid_argument);
    network_options no_window;
    no_window.window = 0;
    CO_CHECK_THROWS_AS(network(no_window), std::invalid_argument);
    network net;
    CO_CHECK_THROWS_AS(net.set_link("a", "b", slow_link(-1ms)), std::invalid_argument);
    co_return;
}
