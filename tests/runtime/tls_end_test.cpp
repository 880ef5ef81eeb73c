// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/tls.hpp>

#include "runtime/tls_pair.hpp"
#include "support/catch.hpp"

#include <boost/asio/ssl/error.hpp>
#include <boost/system/system_error.hpp>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace tls_pair;

TEST_CASE("closing TLS exchanges end notices, and sends what was written first", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        const std::string large(3'000'000, 'z');
        ends.client.write(large);
        ends.client.close();
        CHECK(ends.client.is_closing());
        auto closed = coroscope::get_running_loop().create_task(ends.client.wait_closed());
        const auto all = co_await read_all(ends.peer);
        CHECK((all == large));
        co_await let_others_run();
        CHECK_FALSE(closed.done());  // the other side has not ended
        ends.peer.close();
        co_await closed;
        co_await ends.peer.wait_closed();
    }());
}

TEST_CASE("a TLS connection that is cut is told from one that has ended", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        ends.client.write("so far");
        ends.peer.write("x");
        co_await ends.client.read(1);  // unread bytes would make it a reset
        ends.client.abort();
        const auto got = co_await ends.peer.read(100);
        CHECK(got == "so far");
        const auto cut =
            co_await code_message(ends.peer.read(1), boost::asio::ssl::error::stream_truncated);
        CHECK(cut == "as expected");
        const auto after = co_await ends.peer.read(1);
        CHECK(after.empty());
    }());
}

TEST_CASE("one side may end its half of a TLS connection and read on", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        ends.client.write("question");
        ends.client.write_eof();
        CHECK_THROWS_AS(ends.client.write("more"), coroscope::invalid_state_error);
        const auto question = co_await read_all(ends.peer);
        CHECK(question == "question");
        ends.peer.write("answer");
        ends.peer.close();
        const auto answer = co_await read_all(ends.client);
        CHECK(answer == "answer");
        ends.client.close();
        co_await ends.client.wait_closed();
        co_await ends.peer.wait_closed();
    }());
}

TEST_CASE("a side that never ends its TLS connection is cut off", "[io]") {
    coroscope::run([]() -> coro<> {
        auto options = to_localhost();
        options.shutdown_timeout = 1ms;
        auto ends = co_await connect_tls(options);
        ends.client.close();
        const auto message =
            co_await message_of<boost::system::system_error>(ends.client.wait_closed());
        CHECK(contains(message, "writing to "));
        CHECK(contains(message, "timed out"));
        ends.peer.abort();
    }());
}

TEST_CASE("what the other side still sends does not keep a TLS connection from closing", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        const std::string large(2'000'000, 'u');
        ends.peer.write(large);
        ends.client.close();
        ends.peer.close();
        co_await ends.client.wait_closed();
        co_await ends.peer.wait_closed();
    }());
}

TEST_CASE("closing TLS gives a waiting reader the end, and both ends still close well", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        auto reading = coroscope::get_running_loop().create_task(ends.client.read(1));
        co_await let_others_run();
        ends.client.close();
        const auto end = co_await reading;
        CHECK(end.empty());
        const auto other_end = co_await ends.peer.read(1);
        CHECK(other_end.empty());
        ends.peer.close();
        co_await ends.client.wait_closed();
        co_await ends.peer.wait_closed();
    }());
}

TEST_CASE("closing TLS with a reader and unsent bytes sends them", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        const std::string large(4'000'000, 'w');
        auto reading = coroscope::get_running_loop().create_task(ends.client.read(1));
        co_await let_others_run();
        ends.client.write(large);
        CHECK(ends.client.unsent() > 0);
        ends.client.close();
        const auto all = co_await read_all(ends.peer);
        CHECK((all == large));
        ends.peer.close();
        co_await ends.client.wait_closed();
        const auto end = co_await reading;
        CHECK(end.empty());
    }());
}

TEST_CASE("cancelling a read over TLS loses no bytes", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        auto& loop = coroscope::get_running_loop();
        auto early = loop.create_task(ends.peer.read(1));
        early.cancel();  // before it waits
        auto waiting = loop.create_task(ends.peer.read_exactly(4));
        ends.client.write("ab");
        co_await let_others_run();
        waiting.cancel();  // with half of it
        co_await let_others_run();
        CHECK(early.cancelled());
        CHECK(waiting.cancelled());
        for (int i = 0; i < 50; ++i) {  // at whatever point: the bytes come once each, in order
            auto reading = loop.create_task(ends.peer.read_exactly(1000));
            ends.client.write("x");
            for (int k = 0; k < i; ++k) {
                co_await coroscope::yield_now();
            }
            reading.cancel();
            while (!reading.done()) {
                co_await coroscope::yield_now();
            }
        }
        ends.client.write("cd");
        const auto all = co_await ends.peer.read_exactly(54);
        CHECK(all == "ab" + std::string(50, 'x') + "cd");
    }());
}

TEST_CASE("drain waits for a slow reader over TLS, too", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        fill_up(ends.client, 64 * 1024);
        auto draining = coroscope::get_running_loop().create_task(ends.client.drain());
        co_await let_others_run();
        CHECK_FALSE(draining.done());
        while (!draining.done()) {
            co_await ends.peer.read(10'000);
        }
        CHECK(ends.client.unsent() <= 16 * 1024);
        ends.client.abort();
    }());
}

TEST_CASE("a handshake that nobody answers ends by timeout", "[io]") {
    coroscope::run([]() -> coro<> {
        auto plain = co_await connect();
        auto options = to_localhost();
        options.handshake_timeout = 1ms;
        const auto message = co_await message_of<coroscope::timeout_error>(coroscope::start_tls(
            std::move(plain.client), tls_role::client, client_context(), options));
        CHECK(contains(message, "did not finish within 1 ms; see tls_options::handshake_timeout"));
        co_await read_all(plain.peer);  // the hello, and then the end: the connection is closed
    }());
}

TEST_CASE("a client that verifies must know whom: start_tls without a server name is refused",
          "[io]") {
    coroscope::run([]() -> coro<> {
        auto plain = co_await connect();
        const auto message = co_await message_of<std::invalid_argument>(
            coroscope::start_tls(std::move(plain.client), tls_role::client, client_context()));
        CHECK(contains(message, "tls_options::server_name is empty"));
    }());
}

TEST_CASE("cancelling a handshake closes the connection", "[io]") {
    coroscope::run([]() -> coro<> {
        auto plain = co_await connect();
        auto& loop = coroscope::get_running_loop();
        auto shaking = loop.create_task(coroscope::start_tls(
            std::move(plain.client), tls_role::client, client_context(), to_localhost()));
        co_await let_others_run();
        shaking.cancel();
        co_await let_others_run();
        CHECK(shaking.cancelled());
        co_await read_all(plain.peer);
    }());
}

TEST_CASE("a handshake can be cancelled at every point, and the other side learns of it", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const auto trusting = client_context();
        const auto serving = server_context();
        int cancelled = 0;
        int finished = 0;
        for (std::uint64_t polls = 0; polls < 12; ++polls) {
            auto plain = co_await connect();
            auto client = loop.create_task(coroscope::start_tls(
                std::move(plain.client), tls_role::client, trusting, to_localhost()));
            auto server = loop.create_task(
                coroscope::start_tls(std::move(plain.peer), tls_role::server, serving));
            if (polls > 0) { co_await coroscope::yield_now(); }
            const auto enough = loop.statistics().polls + polls;
            while (loop.statistics().polls < enough) {
                co_await coroscope::yield_now();
            }
            client.cancel();
            while (!client.done() || !server.done()) {
                co_await coroscope::yield_now();
            }
            if (client.cancelled()) {
                ++cancelled;
                CHECK((server.exception() != nullptr || polls > 0));
            } else {
                ++finished;
                CHECK(server.exception() == nullptr);
            }
        }
        CHECK(cancelled > 0);
        CHECK(finished > 0);
    }());
}

TEST_CASE("what is no TLS ends a server's connection, which says so in debug mode only", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        std::vector<std::string> told;
        loop.set_exception_handler(
            [&told](coroscope::loop&, const coroscope::exception_context& context) {
                told.push_back(context.message + ": " + coroscope::describe(context.exception));
            });
        const auto served = [](stream) -> coro<> {
            FAIL("the handler was called");
            co_return;
        };
        auto server = co_await coroscope::start_server(
            coroscope::with_tls(served, server_context()), "127.0.0.1", 0);
        for (std::size_t i = 0; i < 2; ++i) {
            loop.set_debug(i == 1);
            auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
            client.write("GET / HTTP/1.1\r\n\r\n");
            auto reading = loop.create_task(read_all(client));
            try {
                co_await std::move(reading);
            } catch (const boost::system::system_error&) {}  // a reset is as good as an end
            co_await let_others_run();
            CHECK(told.size() == i);
        }
        CHECK(contains(told.back(), "a connection ended in its TLS handshake"));
        CHECK(contains(told.back(), "http request"));
        loop.set_debug(false);
    }());
}

TEST_CASE("start_tls refuses streams that cannot do it, and says why", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_tls();
        const auto twice = co_await message_of<coroscope::invalid_state_error>(coroscope::start_tls(
            std::move(ends.client), tls_role::client, client_context(), to_localhost()));
        CHECK(contains(twice, "speaks TLS already"));
        auto plain = co_await connect();
        plain.client.close();
        const auto closed = co_await message_of<coroscope::invalid_state_error>(
            coroscope::start_tls(std::move(plain.client), tls_role::client, client_context()));
        CHECK(contains(closed, "is closed"));
        auto reading = coroscope::get_running_loop().create_task(plain.peer.read(1));
        const auto ended = co_await reading;
        CHECK(ended.empty());
        CHECK_FALSE(coroscope::facts_of(plain.peer).has_value());
    }());
}

TEST_CASE("certificates that are not there are named", "[io]") {
    auto context = coroscope::tls_context::server();
    const auto failure = [](auto f) -> std::string {
        try {
            f();
        } catch (const boost::system::system_error& e) { return e.what(); }
        return "(nothing was thrown)";
    };
    CHECK(contains(failure([&] { context.use_certificate_file("/nowhere/cert.pem"); }),
                   "using the certificate in /nowhere/cert.pem"));
    CHECK(contains(failure([&] { context.use_private_key_file("/nowhere/key.pem"); }),
                   "using the private key in /nowhere/key.pem"));
    CHECK(contains(failure([&] { context.trust_file("/nowhere/ca.pem"); }),
                   "trusting the authorities in /nowhere/ca.pem"));
    CHECK(contains(failure([&] { context.use_certificate("nonsense"); }), "given as PEM"));
}

TEST_CASE("TLS streams that are still busy when their loop ends leak nothing", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto ends = co_await connect_tls();
        fill_up(ends.client, 64 * 1024);
        loop.create_task(ends.client.drain());
        loop.create_task(ends.client.read(1));
        auto closing = co_await connect_tls();
        closing.client.close();
        loop.create_task(closing.client.wait_closed());
        auto plain = co_await connect();
        loop.create_task(message_of<boost::system::system_error>(coroscope::start_tls(
            std::move(plain.client), tls_role::client, client_context(), to_localhost())));
        co_await let_others_run();
    }());
}
