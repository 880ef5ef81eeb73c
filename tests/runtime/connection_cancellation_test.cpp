// SPDX-License-Identifier: Apache-2.0
// How connections, transports, servers and pipes begin and end, cancelled at each of their
// suspension points in turn: no protocol that was told of a connection misses its end, nothing
// stays open, and the other side learns of it.
#include <coroscope/runtime/connection.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/pipe.hpp>

#include "runtime/cancellation_sweep.hpp"
#include "runtime/protocol_pair.hpp"
#include "runtime/raw_pipe.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <string>
#include <utility>

#include <sys/socket.h>

using namespace cancellation_sweep;
using namespace protocol_pair;

namespace {

using made_connection = coroscope::connection<noting>;

/// Cancels what makes the connection; if it was made, its protocol must have been told of it, and
/// of its end if it was cancelled afterwards. Lets go of it in the end.
coro<bool> cancel_making(coro<made_connection> making, std::shared_ptr<noting> protocol,
                         std::uint64_t steps) {
    auto task = coroscope::get_running_loop().create_task(std::move(making));
    const bool was_cancelled = co_await cancel_after(task, steps);
    if (was_cancelled) {
        co_await let_others_run();
        CHECK((protocol->log.empty() || protocol->log == "made;lost;"));
    } else {
        CHECK(protocol->log == "made;");
        task.result().transport->abort();
        co_await until_lost(protocol);
        CHECK(protocol->log == "made;lost;");
    }
    protocol->connection.reset();
    co_return was_cancelled;
}

/// Two connected sockets.
struct raw_pair {
    raw_pair() {
        int ends[2] = {};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            throw std::runtime_error("socketpair failed");
        }
        first = coroscope::file_descriptor(ends[0]);
        second = coroscope::file_descriptor(ends[1]);
    }
    coroscope::file_descriptor first;
    coroscope::file_descriptor second;
};

/// Sends back what comes, and ends with the other side.
class echo : public coroscope::protocol {
public:
    void connection_made(std::shared_ptr<transport> t) override { connection_ = std::move(t); }
    void data_received(std::string_view bytes) override { connection_->write(bytes); }
    void connection_lost(std::exception_ptr) override { connection_.reset(); }

private:
    std::shared_ptr<transport> connection_;
};

coro<std::string> ask(stream& s, std::string text) {
    s.write(text);
    co_await s.drain();
    co_return co_await s.read_exactly(text.size());
}

}  // namespace

TEST_CASE("create_connection, cancelled at each of its steps, leaves neither socket nor protocol",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto server =
            co_await coroscope::create_server(coroscope::make_protocol<echo>, "127.0.0.1", 0);
        const auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        // No numeric address to Asio, so that it is looked up in the executor.
        const bool was_cancelled = co_await cancel_making(
            coroscope::create_connection(give, "127.1", server.port()), protocol, n);
        auto next = co_await coroscope::open_connection("127.0.0.1", server.port());
        const auto answer = co_await ask(next, "still here");
        CHECK(answer == "still here");
        next.close();
        server.close();
        co_await server.wait_closed();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("connect_accepted_socket, cancelled at each of its steps, closes the socket", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        raw_pair sockets;
        auto other = coroscope::connect_accepted_socket(coroscope::make_protocol<noting>,
                                                        std::move(sockets.second));
        const auto peer = co_await std::move(other);
        const auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        const bool was_cancelled = co_await cancel_making(
            coroscope::connect_accepted_socket(give, std::move(sockets.first)), protocol, n);
        co_await until_lost(peer.protocol);
        CHECK(peer.protocol->log == "made;eof;lost;");
        peer.protocol->connection.reset();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("connecting a pipe's end, cancelled at each of its steps, closes it", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        raw_pipe pipe;
        const auto written_to = std::make_shared<noting>();
        const auto give_writer = [written_to] {
            return written_to;
        };
        const bool writer_cancelled = co_await cancel_making(
            coroscope::connect_write_pipe(give_writer, std::move(pipe.in)), written_to, n);
        const auto read_from = std::make_shared<noting>();
        const auto give_reader = [read_from] {
            return read_from;
        };
        raw_pipe silent;
        const bool reader_cancelled = co_await cancel_making(
            coroscope::connect_read_pipe(give_reader, std::move(silent.out)), read_from, n);
        // The writer is gone, so this ends.
        auto rest = coroscope::open_read_pipe(std::move(pipe.out));
        const auto nothing = co_await rest.read_all();
        CHECK(nothing.empty());
        at_end = !writer_cancelled && !reader_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("start_server, cancelled at each of its steps, leaves nothing listening", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto starting =
            loop.create_task(coroscope::create_server(coroscope::make_protocol<echo>, "127.1", 0));
        const bool was_cancelled = co_await cancel_after(starting, n);
        if (!was_cancelled) { const auto listening = co_await std::move(starting); }
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("a server's wait_closed, cancelled at each of its steps, keeps nobody else from it",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto server =
            co_await coroscope::create_server(coroscope::make_protocol<echo>, "127.0.0.1", 0);
        auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
        const auto answer = co_await ask(client, "there");
        CHECK(answer == "there");
        server.close();
        auto waiting = loop.create_task(server.wait_closed());
        auto beside = loop.create_task(server.wait_closed());
        const auto end_later = [](stream s) -> coro<> {
            co_await let_others_run();
            s.close();
        };
        auto ending = loop.create_task(end_later(std::move(client)));
        const bool was_cancelled = co_await cancel_after(waiting, n);
        co_await beside;
        co_await server.wait_closed();
        co_await ending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

namespace {

/// Sends a byte each pass until it has sent five or is told to stop, and waits for the end.
coro<> send_slowly(stream& s, const bool& stops) {
    try {
        for (int i = 0; i < 5 && !stops; ++i) {
            s.write("x");
            co_await coroscope::yield_now();
        }
        co_await s.read_all();
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch): reset
    }
}

}  // namespace

TEST_CASE("connections that are cancelled at each pass tell their protocols and their clients",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const auto protocol = std::make_shared<noting>();
        protocol->on_data = [p = protocol.get()] {  // the end, where nobody cancels
            if (p->received.size() == 5) { p->connection->close(); }
        };
        const auto give = [protocol] {
            return protocol;
        };
        auto server = co_await coroscope::create_server(give, "127.0.0.1", 0);
        auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
        bool stops = false;
        auto sending = loop.create_task(send_slowly(client, stops));
        const busy_passes seen;
        while (!sending.done() && seen.count < n) {
            co_await coroscope::yield_now();
        }
        at_end = sending.done();
        stops = true;
        server.close();  // first: what it has accepted by then is a connection
        server.cancel_connections();
        const auto client_knows = [&sending] {
            return sending.done();
        };
        const bool knows = co_await comes_true(client_knows);
        REQUIRE(knows);
        co_await server.wait_closed();
        CHECK(protocol->times_lost == (protocol->log.empty() ? 0 : 1));
        protocol->connection.reset();
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("reading a pipe, cancelled at each of its steps, leaves every byte to the next", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        raw_pipe pipe;
        auto from = coroscope::open_read_pipe(std::move(pipe.out));
        auto to = coroscope::open_write_pipe(std::move(pipe.in));
        const auto dribble = [](stream& s) -> coro<> {
            for (const auto* part : {"one ", "two\n", "thr", "ee"}) {
                s.write(part);
                co_await let_others_run();
            }
            s.close();
        };
        auto sending = loop.create_task(dribble(to));
        const auto read_two = [](stream& s, std::string& into) -> coro<> {
            into = co_await s.read_line();
            const auto rest = co_await s.read_exactly(5);
            into += rest;
        };
        std::string first;
        auto reading = loop.create_task(read_two(from, first));
        const bool was_cancelled = co_await cancel_after(reading, n);
        const auto rest = co_await from.read_all();
        CHECK(first + rest == "one two\nthree");
        co_await sending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("draining into a pipe, cancelled at each of its steps, drops and doubles nothing",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        raw_pipe pipe;
        auto from = coroscope::open_read_pipe(std::move(pipe.out));
        auto to = coroscope::open_write_pipe(std::move(pipe.in));
        std::size_t written = 0;
        const auto send_all = [](stream& s, std::size_t& count) -> coro<> {
            while (count < 5) {
                s.write(std::string(100'000, static_cast<char>('a' + count)));
                ++count;
                co_await s.drain();
            }
        };
        auto sending = loop.create_task(send_all(to, written));
        auto reading = loop.create_task(from.read_all());
        const bool was_cancelled = co_await cancel_after(sending, n);
        to.close();
        const auto got = co_await std::move(reading);
        std::string expected;
        for (std::size_t i = 0; i < written; ++i) {
            expected.append(100'000, static_cast<char>('a' + i));
        }
        CHECK((got == expected));
        co_await to.wait_closed();
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}
