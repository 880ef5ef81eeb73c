// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/datagram_connection.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/protocol_pair.hpp"
#include "support/catch.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace protocol_pair;
using coroscope::create_datagram_endpoint;
using coroscope::datagram_address;
using coroscope::datagram_transport;

namespace {

class noting_datagrams : public coroscope::datagram_protocol {
public:
    void connection_made(std::shared_ptr<datagram_transport> t) override {
        endpoint = std::move(t);
        log += "made;";
    }
    void datagram_received(std::string_view bytes, const datagram_address& from) override {
        received.emplace_back(bytes);
        last_from = from;
        log += "datagram;";
        if (on_datagram) { on_datagram(); }
    }
    void error_received(std::exception_ptr error) override {
        log += "error;";
        last_error = error;
    }
    void connection_lost(std::exception_ptr reason) override {
        log += reason == nullptr ? "lost;" : "lost by error;";
    }
    void pause_writing() override { log += "pause;"; }
    void resume_writing() override { log += "resume;"; }

    std::shared_ptr<datagram_transport> endpoint;
    std::vector<std::string> received;
    datagram_address last_from;
    std::exception_ptr last_error;
    std::function<void()> on_datagram;
    std::string log;
};

/// Sends back what comes.
class udp_echo : public noting_datagrams {
public:
    void datagram_received(std::string_view bytes, const datagram_address& from) override {
        noting_datagrams::datagram_received(bytes, from);
        endpoint->sendto(bytes, from);
    }
};

datagram_address anywhere() {
    return {"127.0.0.1", 0};
}

coro<> until_received(std::shared_ptr<noting_datagrams> p, std::size_t n) {
    while (p->received.size() < n) {
        co_await coroscope::yield_now();
    }
}

coro<> until_error(std::shared_ptr<noting_datagrams> p) {
    while (p->last_error == nullptr) {
        co_await coroscope::yield_now();
    }
}

}  // namespace

TEST_CASE("a UDP echo server survives an empty datagram", "[io]") {
    coroscope::run([]() -> coro<> {
        auto server =
            co_await create_datagram_endpoint(coroscope::make_protocol<udp_echo>, anywhere());
        const datagram_address there("127.0.0.1", server.transport->port());
        auto client = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                        std::nullopt, there);
        CHECK(server.protocol->log == "made;");
        client.transport->sendto("one");
        client.transport->sendto("");
        client.transport->sendto("two", there);
        co_await until_received(client.protocol, 3);
        CHECK(client.protocol->received == std::vector<std::string>{"one", "", "two"});
        CHECK(client.protocol->last_from == there);
        CHECK(client.transport->remote_endpoint() == server.transport->local_endpoint());
        CHECK(server.transport->remote_endpoint().empty());
        client.transport->close();
        client.transport->close();
        CHECK(client.transport->is_closing());
        CHECK(client.protocol->log == "made;datagram;datagram;datagram;");
        co_await let_others_run();
        CHECK(client.protocol->log == "made;datagram;datagram;datagram;lost;");
        CHECK(client.transport->get_protocol() == nullptr);
        client.transport->sendto("dropped");
    }());
}

TEST_CASE("nobody at the other side is told to error_received, and the transport goes on", "[io]") {
    coroscope::run([]() -> coro<> {
        auto gone =
            co_await create_datagram_endpoint(coroscope::make_protocol<udp_echo>, anywhere());
        const datagram_address nobody("127.0.0.1", gone.transport->port());
        gone.transport->abort();
        co_await let_others_run();
        CHECK(gone.protocol->log == "made;lost;");
        auto client = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                        std::nullopt, nobody);
        client.transport->sendto("lost");
        co_await until_error(client.protocol);
        CHECK(contains(coroscope::describe(client.protocol->last_error), "127.0.0.1"));
        auto back = co_await create_datagram_endpoint(coroscope::make_protocol<udp_echo>, nobody);
        client.transport->sendto("found");
        co_await until_received(client.protocol, 1);
        CHECK(client.protocol->received.front() == "found");
        CHECK_FALSE(client.transport->is_closing());
    }());
}

TEST_CASE("an exception from datagram_received is reported, and the next datagram comes", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto server = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                        anywhere());
        const datagram_address there("127.0.0.1", server.transport->port());
        server.protocol->on_datagram = [] {
            throw std::runtime_error("the protocol broke");
        };
        auto client = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                        std::nullopt, there);
        client.transport->sendto("one");
        client.transport->sendto("two");
        co_await until_received(server.protocol, 2);
        co_await let_others_run();
        REQUIRE(told.all.size() == 2);
        CHECK(told.all[0].message == "datagram_protocol::datagram_received failed");
        CHECK(told.all[0].protocol == server.protocol);
        CHECK(told.all[0].transport == server.transport);
        CHECK_FALSE(server.transport->is_closing());
    }());
}

TEST_CASE("closing right after sending loses nothing", "[io]") {
    coroscope::run([]() -> coro<> {
        auto server = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                        anywhere());
        const datagram_address there("127.0.0.1", server.transport->port());
        auto client = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                        std::nullopt, there);
        const coroscope::write_buffer_limits usual{16'384, 65'536};
        CHECK((client.transport->get_write_buffer_limits() == usual));
        client.transport->set_write_buffer_limits(0);
        const std::string large(65'507, 'l');
        client.transport->sendto(large);
        client.transport->close();
        co_await until_received(server.protocol, 1);
        CHECK((server.protocol->received.front() == large));
        CHECK(client.transport->get_write_buffer_size() == 0);
        CHECK(client.protocol->log == "made;lost;");
    }());
}

TEST_CASE("a datagram that is too large is told to error_received", "[io]") {
    coroscope::run([]() -> coro<> {
        auto open = co_await create_datagram_endpoint(coroscope::make_protocol<noting_datagrams>,
                                                      anywhere());
        const std::string too_large(65'508, 'l');
        open.transport->sendto(too_large, datagram_address("127.0.0.1", open.transport->port()));
        CHECK(open.protocol->log == "made;error;");
        CHECK(contains(coroscope::describe(open.protocol->last_error), "sending a datagram to"));
        CHECK_FALSE(open.transport->is_closing());
    }());
}

TEST_CASE("datagrams need an address, the right one", "[io]") {
    coroscope::run([]() -> coro<> {
        auto open =
            co_await create_datagram_endpoint(coroscope::make_protocol<udp_echo>, anywhere());
        const datagram_address there("127.0.0.1", open.transport->port());
        auto connected = co_await create_datagram_endpoint(coroscope::make_protocol<udp_echo>,
                                                           std::nullopt, there);
        CHECK_THROWS_AS(open.transport->sendto("x"), std::invalid_argument);
        CHECK_THROWS_AS(open.transport->sendto("x", datagram_address("example.org", 1)),
                        std::invalid_argument);
        CHECK_THROWS_AS(connected.transport->sendto("x", datagram_address("127.0.0.1", 1)),
                        std::invalid_argument);
        std::string message;
        try {
            auto none =
                co_await create_datagram_endpoint(coroscope::make_protocol<udp_echo>, std::nullopt);
        } catch (const std::invalid_argument& e) { message = e.what(); }
        CHECK(contains(message, "needs an address"));
    }());
}

TEST_CASE("a loop that closes lets go of open datagram transports") {
    std::weak_ptr<noting_datagrams> seen;
    {
        coroscope::loop loop;
        loop.run_until_complete([](std::weak_ptr<noting_datagrams>& out) -> coro<> {
            auto open = co_await create_datagram_endpoint(
                coroscope::make_protocol<noting_datagrams>, anywhere());
            out = open.protocol;
        }(seen));
        CHECK_FALSE(seen.expired());
    }
    CHECK(seen.expired());
}
