// SPDX-License-Identifier: Apache-2.0
// Every operation of a stream, cancelled at each of its suspension points in turn: the connection
// must be left whole, no byte lost or doubled, and nothing may wait for ever.
#include <coroscope/runtime/loop.hpp>

#include "runtime/cancellation_sweep.hpp"
#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <string>
#include <utility>

using namespace cancellation_sweep;
using namespace stream_pair;

namespace {

constexpr std::size_t part = 70'000;    // more than one read takes, less than the high-water mark
constexpr std::size_t whole = 400'000;  // more than the kernel's buffers hold

std::string numbered(std::size_t length) {
    std::string text(length, ' ');
    for (std::size_t i = 0; i < length; ++i) {
        text[i] = static_cast<char>('a' + (i * 7 + i / 26) % 26);
    }
    return text;
}

/// Sends in parts, waiting at the mark; then ends.
coro<> send_all(stream& to, const std::string& text) {
    for (std::size_t at = 0; at < text.size(); at += part) {
        to.write(std::string_view(text).substr(at, part));
        co_await to.drain();
    }
    to.write_eof();
}

/// Sends a little at a time, so that the other end waits again and again; then ends.
coro<> dribble(stream& to, const std::string& text, std::size_t at_a_time) {
    for (std::size_t at = 0; at < text.size(); at += at_a_time) {
        to.write(std::string_view(text).substr(at, at_a_time));
        co_await let_others_run();
    }
    to.write_eof();
}

coro<std::size_t> exact(stream& from, std::string& into) {
    into = co_await from.read_exactly(part);
    co_return into.size();
}

}  // namespace

TEST_CASE("read_exactly, cancelled at each of its steps, leaves every byte to the next reader",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await connect();
        auto& loop = coroscope::get_running_loop();
        const auto text = numbered(part + part / 2);
        auto sending = loop.create_task(dribble(ends.client, text, part / 6));
        std::string first;
        auto reading = loop.create_task(exact(ends.peer, first));
        const bool was_cancelled = co_await cancel_after(reading, n);
        const auto rest = co_await read_all(ends.peer);
        CHECK((first + rest == text));
        co_await sending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("drain, cancelled at each of its steps, drops nothing and writes nothing twice", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await connect();
        auto& loop = coroscope::get_running_loop();
        const auto text = numbered(whole);
        auto sending = loop.create_task(send_all(ends.client, text));
        auto reading = loop.create_task(read_all(ends.peer));
        const bool was_cancelled = co_await cancel_after(sending, n);
        if (was_cancelled) { ends.client.write_eof(); }
        const auto& got = co_await reading;
        // Whole parts, in order, from the beginning.
        CHECK((got == text.substr(0, got.size())));
        CHECK((got.size() % part == 0 || got.size() == text.size()));
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("read_line, cancelled at each of its steps, leaves the line to the next reader", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await connect();
        auto& loop = coroscope::get_running_loop();
        auto reading = loop.create_task(ends.peer.read_line());
        const std::string text("one two three\nnext\n");
        auto sending = loop.create_task(dribble(ends.client, text, 4));
        const bool was_cancelled = co_await cancel_after(reading, n);
        std::string line;
        if (was_cancelled) {
            line = co_await ends.peer.read_line();
        } else {
            line = reading.result();
        }
        CHECK(line == "one two three\n");
        const auto next = co_await ends.peer.read_line();
        CHECK(next == "next\n");
        co_await sending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("connecting, cancelled at each of its steps, leaves the server unharmed", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const auto echo = [](stream s) -> coro<> {
            const auto text = co_await s.read(100);  // nothing: one that was cancelled
            s.write(text);
            co_await s.drain();
        };
        auto server = co_await coroscope::start_server(echo, "127.0.0.1", 0);
        const auto port = server.port();
        auto connecting = loop.create_task(coroscope::open_connection("localhost", port));
        const bool was_cancelled = co_await cancel_after(connecting, n);
        auto next = co_await coroscope::open_connection("127.0.0.1", port);
        next.write("still here!");
        const auto answer = co_await next.read_until("!");
        CHECK(answer == "still here!");
        server.close();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("wait_closed, cancelled at each of its steps, lets the stream close all the same",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto ends = co_await connect();
        auto& loop = coroscope::get_running_loop();
        const auto text = numbered(whole);
        ends.client.write(text);
        ends.client.close();
        auto closing = loop.create_task(ends.client.wait_closed());
        auto reading = loop.create_task(read_all(ends.peer));
        const bool was_cancelled = co_await cancel_after(closing, n);
        const auto& got = co_await reading;
        CHECK((got == text));
        co_await ends.client.wait_closed();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 0);
}
