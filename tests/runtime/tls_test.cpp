// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/tls.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/tls_pair.hpp"
#include "support/catch.hpp"

#include <openssl/ssl.h>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/system_error.hpp>

#include <string>
#include <vector>

using namespace tls_pair;

namespace {

/// For OpenSSL: keeps the name that a client asks for, as it is on the wire.
int note_name(SSL* ssl, int*, void* to) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    auto& name = *static_cast<std::string*>(to);
    name.clear();
    if (::SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) == 1) {
        name.assign(bytes, bytes + size);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/// What connecting with these settings fails with.
coro<std::string> failure_of(tls_context server, tls_context client, tls_options options) {
    auto plain = co_await connect();
    auto serving = coroscope::get_running_loop().create_task(
        coroscope::start_tls(std::move(plain.peer), tls_role::server, server));
    const auto message = co_await message_of<boost::system::system_error>(coroscope::start_tls(
        std::move(plain.client), tls_role::client, client, std::move(options)));
    try {
        co_await std::move(serving);
    } catch (const boost::system::system_error&) { co_return message; }
    co_return message + " (the server did not notice)";
}

}  // namespace

TEST_CASE("a TLS server echoes to a client that verified it", "[io]") {
    coroscope::run([]() -> coro<> {
        auto server = co_await coroscope::start_server(
            coroscope::with_tls(echo_back, server_context()), "127.0.0.1", 0);
        auto client =
            co_await coroscope::open_tls_connection("127.0.0.1", server.port(), client_context());
        client.write("hello\n");
        const auto answer = co_await client.read_line();
        CHECK(answer == "hello\n");
        const auto facts = coroscope::facts_of(client);
        REQUIRE(facts.has_value());
        CHECK(facts->version == "TLSv1.3");
        CHECK(facts->peer_subject == "CN = test server");
        CHECK_FALSE(facts->cipher.empty());
        CHECK(facts->protocol.empty());
        client.close();
        co_await client.wait_closed();
        server.close();
        co_await server.wait_closed();
    }());
}

TEST_CASE("megabytes go through TLS both ways, in order, and then the end", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        std::string large;
        for (int i = 0; large.size() < 3'000'000; ++i) {
            large += std::to_string(i);
        }
        auto& loop = coroscope::get_running_loop();
        auto there = loop.create_task(read_all(ends.peer));
        auto back = loop.create_task(read_all(ends.client));
        ends.client.write(large);
        ends.peer.write(large);
        co_await ends.client.drain();
        ends.client.write_eof();
        ends.peer.write_eof();
        const auto got_there = co_await there;
        const auto got_back = co_await back;
        CHECK((got_there == large));
        CHECK((got_back == large));
    }());
}

TEST_CASE("data right behind the handshake is not lost", "[io]") {
    coroscope::run([]() -> coro<> {
        // The client's last handshake message and its first data reach the server in one piece.
        auto plain = co_await connect();
        auto& loop = coroscope::get_running_loop();
        auto client_end = loop.create_task([](stream s) -> coro<stream> {
            auto secure = co_await coroscope::start_tls(std::move(s), tls_role::client,
                                                        client_context(), to_localhost());
            secure.write("right behind");
            secure.close();
            co_return secure;
        }(std::move(plain.client)));
        auto server_end = co_await coroscope::start_tls(std::move(plain.peer), tls_role::server,
                                                        server_context());
        const auto all = co_await read_all(server_end);
        CHECK(all == "right behind");
        server_end.close();
        auto client = co_await std::move(client_end);
        co_await client.wait_closed();
    }());
}

TEST_CASE("a handshake that had begun to arrive before start_tls is taken up", "[io]") {
    coroscope::run([]() -> coro<> {
        auto plain = co_await connect();
        auto& loop = coroscope::get_running_loop();
        plain.client.write("STARTTLS\n");
        auto client_end = loop.create_task(coroscope::start_tls(
            std::move(plain.client), tls_role::client, client_context(), to_localhost()));
        co_await let_others_run();
        const auto command = co_await plain.peer.read_line();  // the hello comes along with it
        CHECK(command == "STARTTLS\n");
        auto server_end = co_await coroscope::start_tls(std::move(plain.peer), tls_role::server,
                                                        server_context());
        auto client = co_await std::move(client_end);
        client.write("secret");
        const auto got = co_await server_end.read(100);
        CHECK(got == "secret");
    }());
}

TEST_CASE("a server that cannot be verified is turned away, with the reason", "[io]") {
    coroscope::run([]() -> coro<> {
        auto other_name = to_localhost();
        other_name.server_name = "example.org";
        const auto name = co_await failure_of(server_context(), client_context(), other_name);
        CHECK(contains(name, "hostname mismatch"));
        CHECK(contains(name, "the TLS handshake with "));

        auto address = to_localhost();
        address.server_name = "127.0.0.2";
        const auto ip = co_await failure_of(server_context(), client_context(), address);
        CHECK(contains(ip, "IP address mismatch"));

        const test_certificates::authority stranger("a stranger");
        auto trusting_others = tls_context::client();
        trusting_others.trust(stranger.certificate());
        const auto unknown = co_await failure_of(server_context(), trusting_others, to_localhost());
        CHECK(contains(unknown, "unable to get local issuer certificate"));

        const auto old = authority().issue("old", "DNS:localhost", -60);
        auto expired = tls_context::server();
        expired.use_certificate(old.certificate);
        expired.use_private_key(old.key);
        const auto late = co_await failure_of(expired, client_context(), to_localhost());
        CHECK(contains(late, "certificate has expired"));

        const auto machine =
            co_await failure_of(server_context(), tls_context::client(), to_localhost());
        CHECK(contains(machine, "certificate"));
    }());
}

TEST_CASE("a client asks for its server by name, unless it only has an address", "[io]") {
    coroscope::run([]() -> coro<> {
        std::string asked;
        auto of_server = server_context();
        ::SSL_CTX_set_client_hello_cb(of_server.native().native_handle(), note_name, &asked);
        auto server = co_await coroscope::start_server(coroscope::with_tls(echo_back, of_server),
                                                       "127.0.0.1", 0);
        const auto by_name =
            co_await coroscope::open_tls_connection("localhost", server.port(), client_context());
        CHECK(contains(asked, "localhost"));
        const auto by_address =
            co_await coroscope::open_tls_connection("127.0.0.1", server.port(), client_context());
        CHECK(asked.empty());
    }());
}

TEST_CASE("a client that verifies nothing accepts any server", "[io]") {
    coroscope::run([]() -> coro<> {
        auto trusting = tls_context::client();
        trusting.verify_nothing();
        auto server = co_await coroscope::start_server(
            coroscope::with_tls(echo_back, server_context("DNS:elsewhere")), "127.0.0.1", 0);
        auto client = co_await coroscope::open_tls_connection("127.0.0.1", server.port(), trusting);
        client.write("x");
        const auto answer = co_await client.read(1);
        CHECK(answer == "x");
    }());
}

TEST_CASE("a server may demand a certificate of its clients", "[io]") {
    coroscope::run([]() -> coro<> {
        auto strict = server_context();
        strict.trust(authority().certificate());
        strict.require_peer_certificate();
        auto server = co_await coroscope::start_server(coroscope::with_tls(echo_back, strict),
                                                       "127.0.0.1", 0);
        const auto identity = authority().issue("test client", "");
        auto known = client_context();
        known.use_certificate(identity.certificate);
        known.use_private_key(identity.key);
        auto welcome = co_await coroscope::open_tls_connection("127.0.0.1", server.port(), known);
        welcome.write("x");
        const auto answer = co_await welcome.read(1);
        CHECK(answer == "x");
        auto unknown =
            co_await coroscope::open_tls_connection("127.0.0.1", server.port(), client_context());
        const auto turned_away = co_await message_of<boost::system::system_error>(unknown.read(1));
        CHECK(contains(turned_away, "reading from 127.0.0.1:"));
        CHECK(contains(turned_away, "certificate required"));
    }());
}

TEST_CASE("both sides agree on the protocol that the server likes best", "[io]") {
    coroscope::run([]() -> coro<> {
        auto of_server = server_context();
        of_server.set_protocols({"h2", "http/1.1"});
        auto of_client = client_context();
        of_client.set_protocols({"http/1.1", "h2"});
        auto server = co_await coroscope::start_server(coroscope::with_tls(echo_back, of_server),
                                                       "127.0.0.1", 0);
        auto client =
            co_await coroscope::open_tls_connection("127.0.0.1", server.port(), of_client);
        CHECK(coroscope::facts_of(client)->protocol == "h2");
        CHECK_THROWS_AS(of_client.set_protocols({""}), std::invalid_argument);
    }());
}
