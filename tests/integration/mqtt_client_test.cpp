// SPDX-License-Identifier: Apache-2.0
// The binding of libmosquitto in examples/mqtt_rpc, with a broker that does what a test says.

#include "mqtt_rpc/mqtt_client.hpp"

#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/testkit/catch.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::stream;
using coroscope::testkit::settle;
using coroscope::testkit::this_test;
using mqtt_rpc::mqtt_client;
using namespace std::chrono_literals;

namespace {

// First bytes of what a client sends, quality of service 0 or required bits included.
constexpr unsigned char connect_packet = 0x10;
constexpr unsigned char publish_packet = 0x30;
constexpr unsigned char subscribe_packet = 0x82;
constexpr unsigned char disconnect_packet = 0xe0;

struct packet {
    unsigned char type = 0;
    std::string body;
};

unsigned char byte_of(const std::string& text) {
    return static_cast<unsigned char>(text.at(0));
}

coro<packet> read_packet(stream& from) {
    packet read;
    const auto first = co_await from.read_exactly(1);
    read.type = byte_of(first);
    std::size_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
        const auto next = co_await from.read_exactly(1);
        size |= std::size_t{byte_of(next) & 0x7fU} << shift;
        if (byte_of(next) < 0x80) { break; }
    }
    read.body = co_await from.read_exactly(size);
    co_return read;
}

/// For short ones.
std::string publication(const std::string& topic, const std::string& payload) {
    const auto size = static_cast<char>(2 + topic.size() + payload.size());
    return std::string{'\x30', size, '\0', static_cast<char>(topic.size())} + topic + payload;
}

/// Where clients connect to.
class listener {
public:
    coro<> start() {
        const auto keep = [this](stream connection) {
            return put(connections, std::move(connection));
        };
        server_ = std::make_unique<coroscope::server>(
            co_await coroscope::start_server(keep, "127.0.0.1", 0));
    }
    [[nodiscard]] std::uint16_t port() const { return server_->port(); }

    coroscope::queue<stream> connections;

private:
    static coro<> put(coroscope::queue<stream>& into, stream connection) {
        into.put_nowait(std::move(connection));
        co_return;
    }
    std::unique_ptr<coroscope::server> server_;
};

/// A client and the broker's end of its connection.
struct session {
    session(std::unique_ptr<mqtt_client> c, stream s)
        : client(std::move(c)),
          broker(std::move(s)) {}
    std::unique_ptr<mqtt_client> client;
    stream broker;
};

coro<std::unique_ptr<session>> connect_client() {
    listener at;
    co_await at.start();
    auto connecting =
        this_test().loop().create_task(mqtt_client::connect("127.0.0.1", at.port(), 10s));
    stream broker = co_await at.connections.get();
    const auto first = co_await read_packet(broker);
    CO_CHECK(first.type == connect_packet);
    broker.write(std::string("\x20\x02\0\0", 4));
    auto client = co_await std::move(connecting);
    co_return std::make_unique<session>(std::move(client), std::move(broker));
}

/// Subscribes, and lets the broker answer with this byte.
coro<> subscribe(session& through, std::string topic, mqtt_rpc::bus::message_handler f,
                 char answer) {
    auto subscribing =
        this_test().loop().create_task(through.client->subscribe(std::move(topic), std::move(f)));
    const auto asked = co_await read_packet(through.broker);
    CO_CHECK(asked.type == subscribe_packet);
    CO_CHECK_FALSE(subscribing.done());
    through.broker.write(std::string("\x90\x03") + asked.body.substr(0, 2) + answer);
    co_await subscribing;
}

/// What it threw, if that was an `Error`.
template <class Error, class T>
coro<std::string> text_of(coro<T> work) {
    try {
        co_await std::move(work);
    } catch (const Error& e) { co_return e.what(); }
    co_return "nothing was thrown";
}

coro<> publish(session& through, std::string payload) {
    through.client->publish("topic", payload);
    co_return;
}

}  // namespace

CO_TEST_CASE("what the socket has no room for is written later", "[mqtt_client]") {
    auto l = co_await connect_client();
    const std::string much(std::size_t{32} * 1024 * 1024, 'x');
    l->client->publish("topic", much);
    l->client->publish("topic", "and more");
    const auto first = co_await read_packet(l->broker);
    CO_CHECK(first.type == publish_packet);
    const bool is_all = first.body == std::string("\0\5topic", 7) + much;
    CO_CHECK(is_all);
    const auto second = co_await read_packet(l->broker);
    CO_CHECK(second.body == std::string("\0\5topicand more", 15));
    // Once all is written, nobody looks whether there is room.
    const auto before = this_test().loop().statistics().steps;
    co_await coroscope::sleep_for(1min);
    CO_CHECK(this_test().loop().statistics().steps - before < 200);
}

CO_TEST_CASE("a handler that throws keeps no message from the next", "[mqtt_client]") {
    auto l = co_await connect_client();
    std::vector<std::string> came;
    std::string told;
    const auto note = [&told](coroscope::loop&, const coroscope::exception_context& problem) {
        told = problem.message;
    };
    this_test().loop().set_exception_handler(note);
    coroscope::event enough;
    const auto take = [&came, &enough](const mqtt_rpc::message& m) {
        came.push_back(m.payload);
        if (came.size() == 3) { enough.set(); }
        if (came.size() == 1) { throw std::runtime_error("the first is too much"); }
    };
    co_await subscribe(*l, "topic", take, 0);
    l->broker.write(publication("topic", "one") + publication("another", "none")
                    + publication("topic", "") + publication("topic", std::string("t\0o", 3)));
    co_await enough.wait();
    CO_CHECK(came == std::vector<std::string>{"one", "", std::string("t\0o", 3)});
    CO_CHECK(told == "a handler of messages on topic failed");
}

CO_TEST_CASE("a subscription that the broker refuses is an error", "[mqtt_client]") {
    auto l = co_await connect_client();
    auto asking = subscribe(
        *l, "topic", [](const mqtt_rpc::message&) {}, '\x80');
    const auto text = co_await text_of<std::runtime_error>(std::move(asking));
    CO_CHECK(text.find("refuses to subscribe us to topic") != std::string::npos);
    l->client->publish("topic", "but the connection is as good as before");
    const auto next = co_await read_packet(l->broker);
    CO_CHECK(next.type == publish_packet);
}

CO_TEST_CASE("a connection that is lost is lost for all, once", "[mqtt_client]") {
    auto l = co_await connect_client();
    int told = 0;
    coroscope::event lost;
    const auto note = [&told, &lost](const std::exception_ptr&) {
        ++told;
        lost.set();
    };
    l->client->on_lost(note);
    auto asking = l->client->subscribe("topic", [](const mqtt_rpc::message&) {});
    auto subscribing =
        this_test().loop().create_task(text_of<mqtt_rpc::bus_lost>(std::move(asking)));
    co_await read_packet(l->broker);
    l->client->publish("topic", "which nobody reads, so the connection ends with an error");
    l->broker.abort();
    co_await lost.wait();
    const auto text = co_await subscribing;
    CO_CHECK(text.find("the connection to the MQTT broker at 127.0.0.1 port ") == 0);
    CO_CHECK(text.find("The connection was lost") == std::string::npos);  // but how
    CO_CHECK(told == 1);
    const auto again = co_await text_of<mqtt_rpc::bus_lost>(publish(*l, "too late"));
    CO_CHECK(again == text);
    CO_CHECK(told == 1);
    l->client->on_lost(note);
    CO_CHECK(told == 2);  // at once
    const auto before = this_test().loop().statistics().steps;
    co_await coroscope::sleep_for(1min);
    CO_CHECK(this_test().loop().statistics().steps - before < 20);
}

CO_TEST_CASE("a broker that closes is noticed by writing, too", "[mqtt_client]") {
    auto l = co_await connect_client();
    l->broker.abort();  // and the loop has no time to look
    const auto write_much = [](session& through) -> coro<> {
        for (int i = 0; i < 10; ++i) {  // the first ones may seem to succeed
            through.client->publish("topic", "anything");
        }
        co_return;
    };
    const auto text = co_await text_of<mqtt_rpc::bus_lost>(write_much(*l));
    CO_CHECK(text.find(" was lost: Broken pipe") != std::string::npos);
}

CO_TEST_CASE("a client that goes says goodbye", "[mqtt_client]") {
    auto l = co_await connect_client();
    l->client.reset();
    const auto last = co_await read_packet(l->broker);
    CO_CHECK(last.type == disconnect_packet);
    const auto end = co_await l->broker.read(1);
    CO_CHECK(end.empty());
}

CO_TEST_CASE("a client that is cancelled while it connects leaves nothing", "[mqtt_client]") {
    listener at;
    co_await at.start();
    auto connecting =
        this_test().loop().create_task(mqtt_client::connect("127.0.0.1", at.port(), 10s));
    stream broker = co_await at.connections.get();
    co_await read_packet(broker);  // and no answer
    connecting.cancel();
    co_await settle();
    CO_CHECK(connecting.cancelled());
    const auto rest = co_await broker.read_all();
    CO_CHECK(rest.size() <= 2);  // at most a goodbye
}

CO_TEST_CASE("what is too long to be sent harms no connection", "[mqtt_client]") {
    auto l = co_await connect_client();
    const std::string topic(70'000, 't');
    CO_CHECK_THROWS_AS(l->client->publish(topic, ""), std::runtime_error);
    l->client->publish("topic", "short");
    const auto next = co_await read_packet(l->broker);
    CO_CHECK(next.body == std::string("\0\5topicshort", 12));
}
