// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/tls_connection.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/protocol_pair.hpp"
#include "runtime/tls_pair.hpp"
#include "support/catch.hpp"

#include <boost/asio/ssl/error.hpp>
#include <boost/system/system_error.hpp>

#include <string>

using namespace tls_pair;
using protocol_pair::noting;
using protocol_pair::until_lost;

namespace {

/// Answers any data with a page, and closes: the cheat sheet's server with TLS.
class page : public coroscope::protocol {
public:
    void connection_made(std::shared_ptr<coroscope::transport> t) override {
        transport_ = std::move(t);
    }
    void data_received(std::string_view) override {
        transport_->write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHello SSL");
        transport_->close();
    }

private:
    std::shared_ptr<coroscope::transport> transport_;
};

struct over_tls {
    over_tls(coroscope::connection<noting> c, stream s)
        : protocol(std::move(c.protocol)),
          connection(std::move(c.transport)),
          peer(std::move(s)) {}
    std::shared_ptr<noting> protocol;
    std::shared_ptr<coroscope::transport> connection;
    stream peer;
};

coro<over_tls> talk_tls(tls_options options = to_localhost()) {
    auto ends = co_await connect_tls(options);
    auto made = co_await coroscope::connect_stream(coroscope::make_protocol<noting>,
                                                   std::move(ends.client));
    co_return over_tls(std::move(made), std::move(ends.peer));
}

}  // namespace

TEST_CASE("a server with TLS answers a protocol with TLS", "[io]") {
    coroscope::run([]() -> coro<> {
        auto server = co_await coroscope::create_tls_server(coroscope::make_protocol<page>,
                                                            "127.0.0.1", 0, server_context());
        auto made = co_await coroscope::create_tls_connection(coroscope::make_protocol<noting>,
                                                              "localhost", server.port(),
                                                              client_context(), to_localhost());
        CHECK(made.protocol->log == "made;");
        const auto facts = coroscope::facts_of(*made.transport);
        REQUIRE(facts.has_value());
        CHECK(facts->version == "TLSv1.3");
        made.transport->write("GET / HTTP/1.1\r\n\r\n");
        co_await until_lost(made.protocol);
        CHECK(made.protocol->log == "made;data;eof;lost;");
        CHECK(made.protocol->lost_by == nullptr);
        CHECK(contains(made.protocol->received, "Hello SSL"));
        CHECK_FALSE(coroscope::facts_of(*made.transport).has_value());
        server.close();
        co_await server.wait_closed();
    }());
}

TEST_CASE("a client without TLS gets no protocol of a server with TLS", "[io]") {
    coroscope::run([]() -> coro<> {
        int count = 0;
        const auto factory = [&count] {
            ++count;
            return std::make_shared<page>();
        };
        auto server =
            co_await coroscope::create_tls_server(factory, "127.0.0.1", 0, server_context());
        auto plain = co_await coroscope::open_connection("127.0.0.1", server.port());
        plain.write("GET / HTTP/1.1\r\n\r\n");
        plain.write_eof();
        co_await read_all(plain);
        server.close();
        co_await server.wait_closed();
        CHECK(count == 0);
    }());
}

TEST_CASE("over TLS much arrives whole, both ways, and paused reading loses nothing", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk_tls();
        const std::string large(1'000'000, 'l');
        t.connection->pause_reading();
        t.peer.write(large);
        co_await let_others_run();
        CHECK(t.protocol->log == "made;");
        t.connection->resume_reading();
        while (t.protocol->received.size() < large.size()) {
            co_await coroscope::yield_now();
        }
        CHECK((t.protocol->received == large));
        t.connection->write(large);
        t.connection->close();
        const auto back = co_await read_all(t.peer);
        CHECK((back == large));
        t.peer.close();
        co_await until_lost(t.protocol);
        CHECK(contains(t.protocol->log, "pause;resume;lost;"));
        CHECK(t.protocol->lost_by == nullptr);
    }());
}

TEST_CASE("a transport starts to speak TLS in the middle of its connection", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await protocol_pair::talk();
        t.peer.write("plain;");
        co_await let_others_run();
        auto serving = coroscope::get_running_loop().create_task(
            coroscope::start_tls(std::move(t.peer), tls_role::server, server_context()));
        co_await coroscope::start_tls(t.connection, tls_role::client, client_context(),
                                      to_localhost());
        auto peer = co_await std::move(serving);
        CHECK(t.protocol->log == "made;data;");
        CHECK(coroscope::facts_of(*t.connection).has_value());
        peer.write("secret");
        t.connection->write("answer");
        const auto answer = co_await peer.read_exactly(6);
        CHECK(answer == "answer");
        co_await let_others_run();
        CHECK(t.protocol->received == "plain;secret");
        t.connection->close();
        peer.close();
        co_await until_lost(t.protocol);
        CHECK(t.protocol->lost_by == nullptr);
    }());
}

TEST_CASE("nothing is written to a transport while it starts to speak TLS", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await protocol_pair::talk();
        auto& loop = coroscope::get_running_loop();
        auto upgrading = loop.create_task(
            coroscope::start_tls(t.connection, tls_role::client, client_context(), to_localhost()));
        co_await let_others_run();
        using coroscope::invalid_state_error;
        CHECK_THROWS_AS(t.connection->write("secret"), invalid_state_error);
        CHECK_THROWS_AS(t.connection->write_eof(), invalid_state_error);
        auto peer =
            co_await coroscope::start_tls(std::move(t.peer), tls_role::server, server_context());
        co_await std::move(upgrading);
        t.connection->write("secret");
        const auto got = co_await peer.read_exactly(6);
        CHECK(got == "secret");
        t.connection->close();
        peer.close();
        co_await until_lost(t.protocol);
        CHECK(t.protocol->lost_by == nullptr);
    }());
}

TEST_CASE("a transport whose handshake fails loses its connection", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await protocol_pair::talk();
        t.peer.write("this is no TLS at all\r\n");
        const auto message = co_await message_of<boost::system::system_error>(
            coroscope::start_tls(t.connection, tls_role::client, client_context(), to_localhost()));
        CHECK(contains(message, "the TLS handshake with"));
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;lost;");
        const auto again = co_await message_of<coroscope::invalid_state_error>(
            coroscope::start_tls(t.connection, tls_role::client, client_context(), to_localhost()));
        CHECK(contains(again, "cannot be upgraded"));
    }());
}

TEST_CASE("a TLS connection that is cut is lost with an error", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk_tls();
        t.peer.write("hello");
        co_await let_others_run();
        t.peer.abort();
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;data;lost by error;");
        CHECK(contains(coroscope::describe(t.protocol->lost_by), "reading from"));
    }());
}

TEST_CASE("the other side's end notice is an end like any other", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk_tls();
        t.protocol->stays_open = true;
        t.peer.write_eof();
        co_await let_others_run();
        CHECK(t.protocol->log == "made;eof;");
        t.connection->write("still open this way");
        t.connection->close();
        const auto rest = co_await read_all(t.peer);
        CHECK(rest == "still open this way");
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;eof;lost;");
    }());
}

TEST_CASE("closing gives up on a side that never ends, and says so", "[io]") {
    coroscope::run([]() -> coro<> {
        auto options = to_localhost();
        options.shutdown_timeout = std::chrono::milliseconds(1);
        auto t = co_await talk_tls(options);
        t.connection->close();
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;lost by error;");
        CHECK(contains(coroscope::describe(t.protocol->lost_by), "closing"));
        t.peer.abort();
    }());
}
