// SPDX-License-Identifier: Apache-2.0
// examples/docserver as a whole, over loopback.

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>

#include "docserver/service.hpp"
#include "docserver_fixture.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <string>

using namespace docserver;
using namespace docserver_test;
using namespace std::chrono_literals;

namespace {

coro<std::string> read_all(coroscope::stream& from) {
    std::string all;
    std::string part = co_await from.read(100'000);
    while (!part.empty()) {
        all += part;
        part = co_await from.read(100'000);
    }
    co_return all;
}

/// Sends the bytes to a running docserver and gives back all that it answers until it closes.
coro<std::string> converse(std::uint16_t port, std::string bytes) {
    auto connection = co_await coroscope::open_connection("127.0.0.1", port);
    connection.write(bytes);
    co_return co_await read_all(connection);
}

/// Runs docserver as `main` does, `client` beside it, then stops it with a signal.
template <class Client>
void with_server(site& content, Client client) {
    const docserver::log quiet(log_level::error);
    service s{content, quiet, {}};
    coroscope::run_options settings;
    settings.handle_sigint = false;
    const auto main = [](service& serving_it, Client then) -> coro<> {
        auto port = coroscope::get_running_loop().create_future<std::uint16_t>();
        const auto ready = [port](std::uint16_t p) mutable {
            port.set_result(p);
        };
        auto server = coroscope::get_running_loop().create_task(serve(serving_it, ready), "server");
        const std::uint16_t where = co_await port;
        co_await then(where);
        if (!server.done()) { ::raise(SIGTERM); }
        co_await server;
    };
    coroscope::run(main(s, client), std::move(settings));
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++n;
    }
    return n;
}

}  // namespace

TEST_CASE("docserver serves pipelined requests in order, then closes when asked to") {
    const tree t;
    site s(serving(t));
    with_server(s, [](std::uint16_t port) -> coro<> {
        const auto all = co_await converse(
            port,
            "GET /pkg/short.txt HTTP/1.1\r\nHost: h\r\n\r\n"
            "HEAD /pkg/large.bin HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /pkg/large.bin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        CHECK(count(all, "HTTP/1.1 200 OK") == 3);
        CHECK(count(all, "HTTP/1.1 404 Not Found") == 1);
        CHECK(all.find("short") < all.find("404 Not Found"));
        CHECK(count(all, "Content-Length: 2000000") == 2);
        CHECK(all.substr(all.size() - 2'000'000) == std::string(2'000'000, 'L'));
    });
    CHECK(s.profiler.time_stats().at("handle_request").calls == 4);
}

TEST_CASE("docserver tells a client what was wrong before it closes") {
    const tree t;
    auto o = serving(t);
    o.request_timeout = 20ms;
    site s(o);
    with_server(s, [](std::uint16_t port) -> coro<> {
        const auto bad = co_await converse(port, "nonsense\r\n\r\n");
        CHECK(bad.rfind("HTTP/1.1 400 Bad Request", 0) == 0);
        const auto large = co_await converse(
            port, "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
        CHECK(large.rfind("HTTP/1.1 431", 0) == 0);
        const auto late = co_await converse(port, "GET / HTTP/1.1\r\n");
        CHECK(late.rfind("HTTP/1.1 408 Request Timeout", 0) == 0);
    });
}

TEST_CASE("docserver turns away connections over its limit, and drops idle ones") {
    const tree t;
    auto o = serving(t);
    o.max_connections = 1;
    o.keep_alive_timeout = 50ms;
    site s(o);
    with_server(s, [](std::uint16_t port) -> coro<> {
        auto first = co_await coroscope::open_connection("127.0.0.1", port);
        first.write("GET /pkg/short.txt HTTP/1.1\r\nHost: h\r\n\r\n");
        co_await first.read_until("short");
        const auto second = co_await converse(port, "");
        CHECK(second.rfind("HTTP/1.1 503 Service Unavailable", 0) == 0);
        const auto rest = co_await read_all(first);
        CHECK(rest.empty());
    });
}

TEST_CASE("docserver finishes the requests in flight when it is stopped, and drops idle clients") {
    const tree t;
    site s(serving(t));
    with_server(s, [](std::uint16_t port) -> coro<> {
        auto idle = co_await coroscope::open_connection("127.0.0.1", port);
        auto busy = co_await coroscope::open_connection("127.0.0.1", port);
        busy.write("GET /pkg/large.bin HTTP/1.1\r\nHost: h\r\n\r\n");
        co_await busy.read_until("\r\n\r\n");
        ::raise(SIGINT);
        const auto nothing = co_await read_all(idle);
        CHECK(nothing.empty());
        const auto body = co_await read_all(busy);
        CHECK(body == std::string(2'000'000, 'L'));
    });
}

TEST_CASE("docserver cuts off after the grace time those who do not take their response") {
    const tree t;
    auto o = serving(t);
    o.grace = 20ms;
    site s(o);
    with_server(s, [](std::uint16_t port) -> coro<> {
        auto stuck = co_await coroscope::open_connection("127.0.0.1", port);
        for (int i = 0; i < 20; ++i) {
            stuck.write("GET /pkg/large.bin HTTP/1.1\r\nHost: h\r\n\r\n");
        }
        co_await stuck.read_until("\r\n\r\n");
        ::raise(SIGTERM);
        co_await coroscope::sleep_for(30ms);
    });
    CHECK(s.profiler.time_stats().at("handle_request").calls >= 1);
}
