// SPDX-License-Identifier: Apache-2.0
// TLS, cancelled at each of its suspension points in turn. The connection must be left whole, or
// closed so that the other side learns of it.
#include <coroscope/runtime/tls_connection.hpp>

#include "runtime/cancellation_sweep.hpp"
#include "runtime/protocol_pair.hpp"
#include "runtime/tls_pair.hpp"
#include "support/catch.hpp"

#include <exception>
#include <string>
#include <utility>

using namespace cancellation_sweep;
using namespace tls_pair;
using coroscope::get_running_loop;
using protocol_pair::noting;
using protocol_pair::until_lost;

namespace {

const tls_context& our_server() {
    static const auto context = server_context();
    return context;
}

const tls_context& our_client() {
    static const auto context = client_context();
    return context;
}

/// As `connect_tls`, which makes certificates each time.
coro<connected> secured() {
    auto plain = co_await connect();
    auto serving = get_running_loop().create_task(
        coroscope::start_tls(std::move(plain.peer), tls_role::server, our_server()));
    auto client = co_await coroscope::start_tls(std::move(plain.client), tls_role::client,
                                                our_client(), to_localhost());
    auto peer = co_await std::move(serving);
    co_return connected(std::move(client), std::move(peer));
}

constexpr std::size_t whole = 300'000;  // more than the kernel's buffers hold

coro<> dribble(stream& to) {
    for (const auto* part : {"one ", "two\n", "thr", "ee"}) {
        to.write(part);
        co_await let_others_run();
    }
    to.close();
}

}  // namespace

TEST_CASE("a stream's handshake, cancelled at each of its steps, ends for the other side too",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto plain = co_await connect();
        auto client = get_running_loop().create_task(coroscope::start_tls(
            std::move(plain.client), tls_role::client, our_client(), to_localhost()));
        auto server = get_running_loop().create_task(
            coroscope::start_tls(std::move(plain.peer), tls_role::server, our_server()));
        const bool was_cancelled = co_await cancel_after(client, n);
        const auto ended = [&server] {
            return server.done();
        };
        const bool is_over = co_await comes_true(ended);
        CHECK(is_over);
        if (!was_cancelled) { CHECK(server.exception() == nullptr); }
        static_cast<void>(server.exception());
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("a transport's handshake, cancelled at each pass, loses it for both protocols", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await protocol_pair::connect();
        const auto asking = std::make_shared<noting>();
        const auto answering = std::make_shared<noting>();
        const auto give_one = [asking] {
            return asking;
        };
        const auto give_other = [answering] {
            return answering;
        };
        co_await coroscope::connect_stream(give_one, std::move(ends.client));
        co_await coroscope::connect_stream(give_other, std::move(ends.peer));
        auto client = get_running_loop().create_task(coroscope::start_tls(
            asking->connection, tls_role::client, our_client(), to_localhost()));
        auto server = get_running_loop().create_task(
            coroscope::start_tls(answering->connection, tls_role::server, our_server()));
        const bool was_cancelled = co_await cancel_in_pass(client, n);
        if (!was_cancelled) {
            asking->connection->write("secret");
            asking->connection->close();
        } else if (n == 0) {  // the handshake had not begun, and has touched nothing
            CHECK(asking->log == "made;");
            asking->connection->abort();
        }
        co_await until_lost(asking);
        co_await until_lost(answering);
        CHECK(asking->times_lost == 1);
        CHECK(answering->times_lost == 1);
        const auto ended = [&server] {
            return server.done();
        };
        const bool is_over = co_await comes_true(ended);
        CHECK(is_over);
        const bool worked = server.exception() == nullptr;
        if (!was_cancelled) { CHECK((worked && answering->received == "secret")); }
        asking->connection.reset();
        answering->connection.reset();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("reading over TLS, cancelled at each of its steps, leaves every byte to the next",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await secured();
        const auto read_two = [](stream& s, std::string& into) -> coro<> {
            into = co_await s.read_line();
            const auto rest = co_await s.read_exactly(5);
            into += rest;
        };
        std::string first;
        auto reading = get_running_loop().create_task(read_two(ends.peer, first));
        auto sending = get_running_loop().create_task(dribble(ends.client));
        const bool was_cancelled = co_await cancel_after(reading, n);
        const auto rest = co_await ends.peer.read_all();
        CHECK(first + rest == "one two\nthree");
        co_await sending;
        ends.peer.close();
        co_await ends.client.wait_closed();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("draining over TLS, cancelled at each of its steps, drops and doubles nothing", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await secured();
        const auto send_all = [](stream& s, std::size_t& count) -> coro<> {
            while (count < 3) {
                s.write(std::string(whole / 3, static_cast<char>('a' + count)));
                ++count;
                co_await s.drain();
            }
        };
        std::size_t written = 0;
        auto sending = get_running_loop().create_task(send_all(ends.client, written));
        auto reading = get_running_loop().create_task(ends.peer.read_all());
        const bool was_cancelled = co_await cancel_after(sending, n);
        ends.client.write_eof();
        const auto got = co_await std::move(reading);
        std::string expected;
        for (std::size_t i = 0; i < written; ++i) {
            expected.append(whole / 3, static_cast<char>('a' + i));
        }
        CHECK((got == expected));
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("wait_closed over TLS, cancelled at each of its steps, lets the ends be exchanged",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await secured();
        const std::string text(whole, 'x');
        ends.client.write(text);
        ends.client.close();
        auto closing = get_running_loop().create_task(ends.client.wait_closed());
        const auto read_and_close = [](stream& s) -> coro<std::string> {
            auto all = co_await s.read_all();
            s.close();
            co_return all;
        };
        auto reading = get_running_loop().create_task(read_and_close(ends.peer));
        const bool was_cancelled = co_await cancel_after(closing, n);
        const auto got = co_await std::move(reading);
        CHECK((got == text));
        co_await ends.client.wait_closed();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}
