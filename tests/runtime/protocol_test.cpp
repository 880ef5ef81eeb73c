// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/protocol.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/protocol_pair.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace protocol_pair;

namespace {

[[noreturn]] void fail() {
    throw std::runtime_error("the protocol broke");
}

/// Takes bytes in pieces of three.
class buffering : public coroscope::buffered_protocol {
public:
    void connection_made(std::shared_ptr<transport> t) override { connection = std::move(t); }
    std::span<char> get_buffer(std::size_t hint) override {
        hints_are_positive = hints_are_positive && hint > 0;
        return std::span<char>(room_).first(size);
    }
    void buffer_updated(std::size_t n) override {
        received.append(room_, n);
        most = std::max(most, n);
        if (fails) { fail(); }
    }
    bool eof_received() override {
        got_eof = true;
        return false;
    }
    void connection_lost(std::exception_ptr reason) override {
        lost_by = reason;
        is_lost = true;
    }

    std::shared_ptr<transport> connection;
    std::string received;
    std::exception_ptr lost_by;
    std::size_t most = 0;
    std::size_t size = 3;
    bool hints_are_positive = true;
    bool fails = false;
    bool got_eof = false;
    bool is_lost = false;

private:
    char room_[3] = {};
};

struct buffered_talk {
    buffered_talk(coroscope::connection<buffering> c, stream s)
        : protocol(std::move(c.protocol)),
          peer(std::move(s)) {}
    std::shared_ptr<buffering> protocol;
    stream peer;
};

coro<buffered_talk> talk_buffered() {
    auto ends = co_await connect();
    auto made = co_await coroscope::connect_stream(coroscope::make_protocol<buffering>,
                                                   std::move(ends.client));
    co_return buffered_talk(std::move(made), std::move(ends.peer));
}

}  // namespace

TEST_CASE("a protocol is made, gets data, the end, and the loss, in this order", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        CHECK(t.protocol->log == "made;");
        CHECK(t.protocol->connection == t.connection);
        t.peer.write("hello");
        co_await let_others_run();
        t.peer.close();
        co_await until_lost(t.protocol);
        co_await let_others_run();
        CHECK(t.protocol->log == "made;data;eof;lost;");
        CHECK(t.protocol->received == "hello");
    }());
}

TEST_CASE("who waits for a connection goes on before its first data is told", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        ends.peer.write("early");
        co_await let_others_run();
        auto p = std::make_shared<noting>();
        p->on_made = [&p] {  // asks for reading before its time
            p->connection->pause_reading();
            p->connection->resume_reading();
        };
        const auto factory = [p] {
            return p;
        };
        auto made = co_await coroscope::connect_stream(factory, std::move(ends.client));
        CHECK(p->log == "made;");
        co_await let_others_run();
        CHECK(p->log == "made;data;");
        made.transport->abort();
        co_await until_lost(p);
    }());
}

TEST_CASE("an exception from data_received is reported and ends the connection with it", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto t = co_await talk();
        t.protocol->on_data = fail;
        t.peer.write("hello");
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;data;lost by error;");
        CHECK(coroscope::describe(t.protocol->lost_by) == "the protocol broke");
        REQUIRE(told.all.size() == 1);
        const auto& context = told.all.front();
        CHECK(context.message == "protocol::data_received failed; its connection was closed");
        CHECK(coroscope::describe(context.exception) == "the protocol broke");
        CHECK(context.protocol == t.protocol);
        CHECK(context.transport == t.connection);
        const auto end = co_await t.peer.read(10);
        CHECK(end.empty());
    }());
}

TEST_CASE("who aborts and then throws has lost the connection without a reason", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto t = co_await talk();
        t.protocol->on_data = [p = t.protocol.get()] {
            p->connection->abort();
            fail();
        };
        t.peer.write("hello");
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;data;lost;");
        CHECK(told.all.size() == 1);
    }());
}

TEST_CASE("an exception from eof_received is fatal as well", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto t = co_await talk();
        t.protocol->on_eof = fail;
        t.peer.close();
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;eof;lost by error;");
        REQUIRE(told.all.size() == 1);
        CHECK(contains(told.all.front().message, "eof_received failed"));
    }());
}

TEST_CASE("exceptions from connection_made and connection_lost are reported, no more", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto p = std::make_shared<noting>();
        p->on_made = fail;
        p->on_lost = fail;
        auto t = co_await talk(p);
        t.peer.write("goes on");
        co_await let_others_run();
        CHECK(p->received == "goes on");
        t.peer.close();
        co_await until_lost(p);
        CHECK(p->log == "made;data;eof;lost;");
        REQUIRE(told.all.size() == 2);
        CHECK(told.all[0].message == "protocol::connection_made failed");
        CHECK(told.all[1].message == "protocol::connection_lost failed");
        CHECK(told.all[1].protocol == p);
        CHECK(t.connection->get_protocol() == nullptr);
    }());
}

TEST_CASE("a buffered protocol gets bytes in memory of its own", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk_buffered();
        t.peer.write("0123456789");
        t.peer.close();
        while (!t.protocol->is_lost) {
            co_await coroscope::yield_now();
        }
        CHECK(t.protocol->received == "0123456789");
        CHECK(t.protocol->most == 3);
        CHECK(t.protocol->hints_are_positive);
        CHECK(t.protocol->got_eof);
        CHECK(t.protocol->lost_by == nullptr);
    }());
}

TEST_CASE("a buffered protocol without room, or that throws, loses its connection", "[io]") {
    const bool throws = GENERATE(true, false);
    coroscope::run([](bool does_throw) -> coro<> {
        const reports told;
        auto t = co_await talk_buffered();
        t.protocol->fails = does_throw;
        t.protocol->size = does_throw ? 3 : 0;
        t.peer.write("abc");
        while (!t.protocol->is_lost) {
            co_await coroscope::yield_now();
        }
        const std::string expected = does_throw ? "the protocol broke" : "gave an empty buffer";
        CHECK(contains(coroscope::describe(t.protocol->lost_by), expected));
        REQUIRE(told.all.size() == 1);
        const std::string method = does_throw ? "buffer_updated failed" : "get_buffer failed";
        CHECK(contains(told.all.front().message, method));
    }(throws));
}

TEST_CASE("a protocol and its transport let go of each other at the end", "[io]") {
    std::weak_ptr<noting> seen;
    coroscope::run([](std::weak_ptr<noting>& out) -> coro<> {
        auto t = co_await talk();
        out = t.protocol;
        t.peer.close();
        co_await until_lost(t.protocol);
    }(seen));
    CHECK(seen.expired());
}

TEST_CASE("a loop that closes lets go of open transports, and calls nobody") {
    std::string log;
    std::weak_ptr<noting> seen;
    {
        coroscope::loop loop;
        std::shared_ptr<transport> kept;
        auto peer = loop.run_until_complete(
            [](std::weak_ptr<noting>& out, std::shared_ptr<transport>& t) -> coro<stream> {
                auto talking = co_await talk();
                out = talking.protocol;
                t = talking.connection;
                const std::string large(2'000'000, 'z');
                t->write(large);
                co_return std::move(talking.peer);
            }(seen, kept));
        const auto p = seen.lock();
        REQUIRE(p != nullptr);
        loop.close();
        log = p->log;
        kept->write("nothing happens");
        kept->close();
        CHECK(kept->is_closing());
    }
    CHECK(log == "made;pause;");
    CHECK(seen.expired());
}

TEST_CASE("in debug mode a loop that closes tells which transports are open") {
    std::vector<coroscope::exception_context> told;
    coroscope::loop_options debugging;
    debugging.debug = true;
    {
        coroscope::loop loop(debugging);
        loop.set_exception_handler(
            [&told](coroscope::loop&, const coroscope::exception_context& context) {
                told.push_back(context);
            });
        loop.run_until_complete([]() -> coro<> {
            auto open = co_await talk();
            auto closed = co_await talk();
            closed.connection->close();
            co_await until_lost(closed.protocol);
        }());
    }
    REQUIRE(told.size() == 1);
    CHECK(contains(told.front().message, "still open when its loop was closed"));
    CHECK(told.front().transport->is_closing());
}
