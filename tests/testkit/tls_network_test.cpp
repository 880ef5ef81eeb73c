// SPDX-License-Identifier: Apache-2.0
// TLS over streams that are no sockets.
#include <coroscope/testkit/network.hpp>

#include "runtime/tls_pair.hpp"
#include "support/catch.hpp"

#include <coroscope/testkit/catch.hpp>

#include <coroscope/runtime/tls.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::stream;
using coroscope::testkit::this_test;

namespace {

coro<> echo_once(stream s) {
    const auto line = co_await s.read_line();
    s.write(line);
    co_await s.drain();
    s.close();
    co_await s.wait_closed();
}

}  // namespace

CO_TEST_CASE("TLS goes over a slow and lossy network in virtual time", "[network]") {
    coroscope::testkit::network_options options;
    options.seed = 7;
    options.link.latency = 40ms;
    options.link.loss = 0.1;
    options.segment = 500;
    coroscope::testkit::network net(options);
    const auto serve = coroscope::with_tls(echo_once, tls_pair::server_context("DNS:server"));
    auto server = co_await net.host("server").start_server(serve, "", 443);
    auto plain = co_await net.host("client").open_connection("server", 443);
    coroscope::tls_options settings;
    settings.server_name = "server";
    auto s = co_await coroscope::start_tls(std::move(plain), coroscope::tls_role::client,
                                           tls_pair::client_context(), settings);
    s.write("secret\n");
    CO_CHECK(co_await s.read_line() == "secret\n");
    CO_CHECK(co_await s.read_all() == "");
    s.close();
    co_await s.wait_closed();
    server.close();
    co_await server.wait_closed();
    CO_CHECK(this_test().clock().elapsed() >= 8 * 40ms);
}
