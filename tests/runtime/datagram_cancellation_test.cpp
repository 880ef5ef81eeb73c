// SPDX-License-Identifier: Apache-2.0
// Every operation of datagram endpoints and transports, cancelled at each of its suspension points
// in turn; and what they do while the kernel has no room for what they send.
#include <coroscope/runtime/datagram_connection.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/loop.hpp>

#include "runtime/cancellation_sweep.hpp"
#include "runtime/full_kernel.hpp"
#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace cancellation_sweep;
using coroscope::datagram_address;
using coroscope::datagram_endpoint;
using coroscope::datagram_transport;
using stream_pair::let_others_run;

namespace {

constexpr std::size_t some = 4;  // datagrams

using texts = std::vector<std::string>;

[[nodiscard]] texts numbered() {
    texts all;
    for (std::size_t i = 0; i < some; ++i) {
        all.push_back("datagram " + std::to_string(i));
    }
    return all;
}

[[nodiscard]] coro<datagram_endpoint> open_any() {
    return coroscope::open_datagram_endpoint("127.0.0.1", 0);
}

[[nodiscard]] coro<datagram_endpoint> connect_to(const datagram_endpoint& to) {
    return coroscope::connect_datagram_endpoint("127.0.0.1", to.port());
}

/// With a pause before each, so that the receiver waits.
coro<> send_slowly(datagram_endpoint& by) {
    for (const auto& text : numbered()) {
        co_await let_others_run();
        co_await by.send(text);
    }
}

coro<> receive(datagram_endpoint& at, std::size_t n, texts& into) {
    while (n-- > 0) {
        auto got = co_await at.receive_from();
        into.push_back(std::move(got.bytes));
    }
}

coro<> send_all(datagram_endpoint& by, std::size_t& sent) {
    for (const auto& text : numbered()) {
        co_await by.send(text);
        ++sent;
    }
}

coro<> send_all_to(datagram_endpoint& by, datagram_address to, std::size_t& sent) {
    for (const auto& text : numbered()) {
        co_await by.send_to(text, to);
        ++sent;
    }
}

/// The descriptor of the UDP socket that is bound to this port.
[[nodiscard]] int socket_of(const datagram_endpoint& e) {
    for (int each = 3; each < 1000; ++each) {
        sockaddr_in name = {};
        socklen_t size = sizeof name;
        int kind = 0;
        socklen_t kind_size = sizeof kind;
        if (::getsockopt(each, SOL_SOCKET, SO_TYPE, &kind, &kind_size) != 0) { continue; }
        ::getsockname(each, static_cast<sockaddr*>(static_cast<void*>(&name)), &size);
        if (kind == SOCK_DGRAM && ntohs(name.sin_port) == e.port()) { return each; }
    }
    return -1;
}

coro<> until_refused() {
    const auto refused = [] {
        return full_kernel::refusals > 0;
    };
    const bool has = co_await comes_true(refused);
    CHECK(has);
}

class noting : public coroscope::datagram_protocol {
public:
    void connection_made(std::shared_ptr<datagram_transport> t) override {
        log += "made;";
        endpoint = std::move(t);
    }
    void datagram_received(std::string_view bytes, const datagram_address&) override {
        received.emplace_back(bytes);
    }
    void connection_lost(std::exception_ptr) override { log += "lost;"; }
    void pause_writing() override { log += "pause;"; }
    void resume_writing() override { log += "resume;"; }
    std::shared_ptr<datagram_transport> endpoint;
    texts received;
    std::string log;
};

}  // namespace

TEST_CASE("receive_from, cancelled at each of its steps, leaves every datagram to the next",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto receiver = co_await open_any();
        auto sender = co_await connect_to(receiver);
        texts received;
        auto receiving = loop.create_task(receive(receiver, some, received));
        auto sending = loop.create_task(send_slowly(sender));
        const bool was_cancelled = co_await cancel_after(receiving, n);
        co_await receive(receiver, some - received.size(), received);
        CHECK(received == numbered());
        co_await sending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > some);
}

TEST_CASE("a receiver that is cancelled at any step takes nothing from the one beside it", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto receiver = co_await open_any();
        auto sender = co_await connect_to(receiver);
        texts one;
        texts other;
        auto first = loop.create_task(receive(receiver, some, one));
        auto second = loop.create_task(receive(receiver, some, other));
        auto sending = loop.create_task(send_slowly(sender));
        const bool was_cancelled = co_await cancel_after(first, n);
        const auto all_came = [&] {
            return one.size() + other.size() == some;
        };
        const bool all_here = co_await comes_true(all_came);
        CHECK(all_here);
        second.cancel();
        co_await sending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("send_to into a full kernel, cancelled at each step, sends whole datagrams or nothing",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto receiver = co_await open_any();
        auto sender = co_await open_any();
        const datagram_address there("127.0.0.1", receiver.port());
        const datagram_address back("127.0.0.1", sender.port());
        std::size_t sent = 0;
        coroscope::task<> sending;
        bool was_cancelled = false;
        {
            const full_kernel::no_room full(socket_of(sender));
            sending = loop.create_task(send_all_to(sender, there, sent));
            if (n > 0) { co_await until_refused(); }
            if (n < 2) { was_cancelled = co_await cancel_now(sending); }
            CHECK(sent == 0);
        }
        // What arrives at the sender makes its socket ready, and Asio tries again.
        co_await receiver.send_to("room again", back);
        if (n > 1) { was_cancelled = co_await cancel_after(sending, n); }
        co_await sender.send_to("end", there);
        texts received;
        co_await receive(receiver, sent + 1, received);
        auto expected = numbered();
        expected.resize(sent);
        expected.emplace_back("end");
        CHECK(received == expected);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("send into a full kernel, cancelled at each step, sends whole datagrams or nothing",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto receiver = co_await open_any();
        auto sender = co_await connect_to(receiver);
        const datagram_address back("127.0.0.1", sender.port());
        std::size_t sent = 0;
        coroscope::task<> sending;
        bool was_cancelled = false;
        {
            const full_kernel::no_room full(socket_of(sender));
            sending = loop.create_task(send_all(sender, sent));
            if (n > 0) { co_await until_refused(); }
            if (n < 2) { was_cancelled = co_await cancel_now(sending); }
            CHECK(sent == 0);
        }
        co_await receiver.send_to("room again", back);
        if (n > 1) { was_cancelled = co_await cancel_after(sending, n); }
        co_await sender.send("end");
        texts received;
        co_await receive(receiver, sent + 1, received);
        auto expected = numbered();
        expected.resize(sent);
        expected.emplace_back("end");
        CHECK(received == expected);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("opening an endpoint, cancelled at each of its steps, leaves no socket", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        // No numeric address to Asio, so that it is looked up in the executor.
        auto opening = loop.create_task(coroscope::connect_datagram_endpoint("127.1", 9));
        const bool was_cancelled = co_await cancel_after(opening, n);
        auto next = co_await coroscope::open_datagram_endpoint("127.1", 0);
        CHECK(next.port() != 0);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("a datagram transport, cancelled at each step of its making, is lost if it was made",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        const datagram_address here("127.0.0.1", 0);
        auto creating = loop.create_task(coroscope::create_datagram_endpoint(give, here));
        const bool was_cancelled = co_await cancel_after(creating, n);
        if (was_cancelled) {
            co_await let_others_run();
            CHECK((protocol->log.empty() || protocol->log == "made;lost;"));
        } else {
            CHECK(protocol->log == "made;");
            creating.result().transport->abort();
        }
        protocol->endpoint.reset();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("a transport keeps the datagrams that the kernel has no room for, in order", "[io]") {
    coroscope::run([]() -> coro<> {
        auto receiver = co_await open_any();
        const datagram_address there("127.0.0.1", receiver.port());
        auto made = co_await coroscope::create_datagram_endpoint(coroscope::make_protocol<noting>,
                                                                 std::nullopt, there);
        made.transport->set_write_buffer_limits(20, 10);
        {
            const full_kernel::no_room full(made.transport->native_handle());
            for (const auto& text : numbered()) {
                made.transport->sendto(text);
            }
            CHECK(made.transport->get_write_buffer_size() == some * numbered().front().size());
            CHECK(made.protocol->log == "made;pause;");
            co_await let_others_run();
            CHECK(made.protocol->log == "made;pause;");
            made.transport->close();  // after what was sent
        }
        texts received;
        co_await receive(receiver, some, received);
        CHECK(received == numbered());
        const auto is_over = [&made] {
            return made.protocol->log == "made;pause;resume;lost;";
        };
        const bool over = co_await comes_true(is_over);
        CHECK(over);
        made.protocol->endpoint.reset();
    }());
}

TEST_CASE("aborting a transport drops the datagrams that the kernel had no room for", "[io]") {
    coroscope::run([]() -> coro<> {
        auto receiver = co_await open_any();
        const datagram_address there("127.0.0.1", receiver.port());
        auto made = co_await coroscope::create_datagram_endpoint(coroscope::make_protocol<noting>,
                                                                 std::nullopt, there);
        {
            const full_kernel::no_room full(made.transport->native_handle());
            made.transport->sendto("dropped");
            made.transport->abort();
            CHECK(made.transport->get_write_buffer_size() == 0);
        }
        auto sender = co_await connect_to(receiver);
        co_await sender.send("next");
        const auto got = co_await receiver.receive_from();
        CHECK(got.bytes == "next");
        CHECK(made.protocol->log == "made;lost;");
        made.protocol->endpoint.reset();
    }());
}
