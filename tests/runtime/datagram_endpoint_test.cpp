// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/datagram_endpoint.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <string>

using namespace stream_pair;
using coroscope::datagram;
using coroscope::datagram_address;
using coroscope::datagram_endpoint;

namespace {

coro<datagram_endpoint> open_one() {
    return coroscope::open_datagram_endpoint("127.0.0.1", 0);
}

datagram_address address_of(const datagram_endpoint& e) {
    return {"127.0.0.1", e.port()};
}

/// A port where nobody listens.
coro<std::uint16_t> free_port() {
    auto endpoint = co_await open_one();
    co_return endpoint.port();
}

}  // namespace

TEST_CASE("datagrams arrive whole, in turn, with their senders' addresses", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        auto b = co_await open_one();
        const std::string large(65'507, 'l');
        co_await a.send_to("one", address_of(b));
        co_await a.send_to(large, address_of(b));
        const auto first = co_await b.receive_from();
        const auto second = co_await b.receive_from();
        CHECK(first.bytes == "one");
        CHECK((second.bytes == large));
        CHECK(first.from == address_of(a));
        co_await b.send_to("back", first.from);
        const auto back = co_await a.receive_from();
        CHECK(back.bytes == "back");
        CHECK(back.from == address_of(b));
        CHECK(a.local_endpoint() == "127.0.0.1:" + std::to_string(a.port()));
    }());
}

TEST_CASE("an empty datagram is a datagram", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        auto b = co_await open_one();
        auto waiting = coroscope::get_running_loop().create_task(b.receive_from());
        co_await let_others_run();
        CHECK_FALSE(waiting.done());
        co_await a.send_to("", address_of(b));
        co_await a.send_to("after", address_of(b));
        const auto empty = co_await waiting;
        CHECK(empty.bytes.empty());
        CHECK(empty.from == address_of(a));
        const auto next = co_await b.receive_from();
        CHECK(next.bytes == "after");
    }());
}

TEST_CASE("nobody at the other port is an error for the connected only, and both go on", "[io]") {
    coroscope::run([]() -> coro<> {
        const auto nowhere = co_await free_port();
        const datagram_address nobody("127.0.0.1", nowhere);
        auto friendly = co_await open_one();
        auto a = co_await open_one();
        co_await a.send_to("lost", nobody);
        co_await let_others_run();
        co_await a.send_to("found", address_of(friendly));
        const auto found = co_await friendly.receive_from();
        CHECK(found.bytes == "found");
        co_await friendly.send_to("hello", address_of(a));
        const auto hello = co_await a.receive_from();
        CHECK(hello.bytes == "hello");

        auto connected = co_await coroscope::connect_datagram_endpoint("127.0.0.1", nowhere);
        co_await connected.send("lost");
        const auto refused =
            co_await message_of<boost::system::system_error>(connected.receive_from());
        CHECK(contains(refused, "receiving datagrams at " + connected.local_endpoint()));
        CHECK(contains(refused, "refused"));
        auto late = co_await coroscope::open_datagram_endpoint("127.0.0.1", nowhere);
        co_await connected.send("now");
        const auto now = co_await late.receive_from();
        CHECK(now.bytes == "now");
        co_await late.send_to("answer", now.from);
        const auto answer = co_await connected.receive_from();
        CHECK(answer.bytes == "answer");
    }());
}

TEST_CASE("cancelling a receive loses no datagram", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        auto b = co_await open_one();
        auto& loop = coroscope::get_running_loop();
        // Before it waits, while it does, and after it was chosen: which of the last two the system
        // decides, so each must do. Every fourth is cancelled before anything was sent.
        for (int i = 0; i < 60; ++i) {
            const bool before_sending = i % 4 == 0;
            auto waiting = loop.create_task(b.receive_from());
            if (i % 2 == 0) { co_await coroscope::yield_now(); }
            if (before_sending) { waiting.cancel(); }
            co_await a.send_to(std::to_string(i), address_of(b));
            for (int k = 0; k < i; ++k) {
                co_await coroscope::yield_now();
            }
            if (!before_sending) { waiting.cancel(); }
            while (!waiting.done()) {
                co_await coroscope::yield_now();
            }
            datagram got;
            if (waiting.cancelled()) {
                got = co_await b.receive_from();
            } else {
                CHECK_FALSE(before_sending);
                got = waiting.result();
            }
            CHECK(got.bytes == std::to_string(i));
        }
    }());
}

TEST_CASE("two tasks that receive get a datagram each", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        auto b = co_await open_one();
        auto& loop = coroscope::get_running_loop();
        auto first = loop.create_task(b.receive_from());
        auto second = loop.create_task(b.receive_from());
        co_await let_others_run();
        co_await a.send_to("x", address_of(b));
        co_await let_others_run();
        CHECK(first.done() != second.done());
        co_await a.send_to("x", address_of(b));
        co_await first;
        co_await second;
    }());
}

TEST_CASE("closing tells who waits, and later users", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        const auto name = a.local_endpoint();
        auto waiting = coroscope::get_running_loop().create_task(
            message_of<coroscope::invalid_state_error>(a.receive_from()));
        co_await let_others_run();
        a.close();
        a.close();
        CHECK(a.is_closed());
        const auto told = co_await waiting;
        CHECK(contains(told, "the datagram endpoint " + name + " is closed"));
        const auto late = co_await message_of<coroscope::invalid_state_error>(a.receive_from());
        CHECK(late == told);
        auto b = std::move(a);
        const auto moved = co_await message_of<coroscope::invalid_state_error>(a.receive_from());
        CHECK(contains(moved, "moved from"));
    }());
}

TEST_CASE("misuse of datagrams is told by name", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        const auto unconnected =
            co_await message_of<coroscope::invalid_state_error>(a.send("where to?"));
        CHECK(contains(unconnected, "is not connected; use send_to"));
        const datagram_address named("example.org", 1);
        const auto name = co_await message_of<boost::system::system_error>(a.send_to("x", named));
        CHECK(contains(name, "'example.org', which is no numeric address"));
        const auto large = co_await message_of<boost::system::system_error>(
            a.send_to(std::string(65'508, 'x'), address_of(a)));
        CHECK(contains(large, "sending a datagram to " + a.local_endpoint()));
        const auto taken = co_await message_of<boost::system::system_error>(
            coroscope::open_datagram_endpoint("127.0.0.1", a.port()));
        CHECK(contains(taken, "binding a datagram endpoint to 127.0.0.1 port"));
    }());
}

TEST_CASE("a receive that still waits when its loop ends leaks nothing", "[io]") {
    coroscope::run([]() -> coro<> {
        auto a = co_await open_one();
        coroscope::get_running_loop().create_task(
            message_of<coroscope::invalid_state_error>(a.receive_from()));
        co_await let_others_run();
    }());
}
