// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/connection.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/protocol_pair.hpp"
#include "runtime/raw_pipe.hpp"
#include "support/catch.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <csignal>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace protocol_pair;
using coroscope::file_descriptor;

namespace {

/// Sends back what comes, and says who connects: the echo of the cheat sheet.
class echo : public coroscope::protocol {
public:
    explicit echo(std::vector<std::string>& said) : said_(said) {}
    void connection_made(std::shared_ptr<transport> t) override {
        said_.push_back("Connection from " + t->remote_endpoint());
        transport_ = std::move(t);
    }
    void data_received(std::string_view bytes) override { transport_->write(bytes); }

private:
    std::vector<std::string>& said_;
    std::shared_ptr<transport> transport_;
};

std::shared_ptr<noting> no_protocol() {
    throw std::runtime_error("the factory broke");
}

}  // namespace

TEST_CASE("the echo server of transports and protocols", "[io]") {
    std::vector<std::string> said;
    coroscope::run([](std::vector<std::string>& out) -> coro<> {
        const auto factory = [&out] {
            return std::make_shared<echo>(out);
        };
        auto server = co_await coroscope::create_server(factory, "127.0.0.1", 0);
        auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
        client.write("hello ");
        client.write("world");
        const auto back = co_await client.read_exactly(11);
        CHECK(back == "hello world");
        REQUIRE(out.size() == 1);
        CHECK(out.front() == "Connection from " + client.local_endpoint());
        CHECK(server.connections() == 1);
        server.close();
        auto waiting = coroscope::get_running_loop().create_task(server.wait_closed());
        co_await let_others_run();
        CHECK_FALSE(waiting.done());
        client.close();
        co_await waiting;
        CHECK(server.connections() == 0);
    }(said));
}

TEST_CASE("connecting completes after connection_made and before any data", "[io]") {
    coroscope::run([]() -> coro<> {
        const auto handler = [](stream s) -> coro<> {
            s.write("at once");
            co_await s.drain();
        };
        auto server = co_await coroscope::start_server(handler, "127.0.0.1", 0);
        auto made = co_await coroscope::create_connection(coroscope::make_protocol<noting>,
                                                          "127.0.0.1", server.port());
        CHECK(made.protocol->log == "made;");
        CHECK(made.protocol->connection == made.transport);
        co_await until_lost(made.protocol);
        CHECK(made.protocol->log == "made;data;eof;lost;");
        CHECK(made.protocol->received == "at once");
    }());
}

TEST_CASE("protocols talk over a Unix-domain socket", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        std::vector<std::string> said;
        const auto factory = [&said] {
            return std::make_shared<echo>(said);
        };
        auto server = co_await coroscope::create_unix_server(factory, folder / "s");
        auto made = co_await coroscope::create_unix_connection(coroscope::make_protocol<noting>,
                                                               folder / "s");
        made.transport->write("hello");
        made.transport->write_eof();
        co_await until_lost(made.protocol);
        CHECK(made.protocol->received == "hello");
        CHECK(said.size() == 1);
    }());
}

TEST_CASE("where nobody listens no protocol is made", "[io]") {
    coroscope::run([]() -> coro<> {
        int made = 0;
        const auto factory = [&made] {
            ++made;
            return std::make_shared<noting>();
        };
        bool is_refused = false;
        try {
            auto none = co_await coroscope::create_unix_connection(factory, "/nowhere/at/all");
        } catch (const boost::system::system_error&) { is_refused = true; }
        CHECK(is_refused);
        CHECK(made == 0);
    }());
}

TEST_CASE("a factory that throws, or makes nothing, closes the connection", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        std::string message;
        try {
            auto none = co_await coroscope::connect_stream(no_protocol, std::move(ends.client));
        } catch (const std::runtime_error& e) { message = e.what(); }
        CHECK(message == "the factory broke");
        const auto end = co_await ends.peer.read(10);
        CHECK(end.empty());

        auto others = co_await connect();
        const auto nothing = []() -> std::shared_ptr<noting> {
            return nullptr;
        };
        bool is_refused = false;
        try {
            auto none = co_await coroscope::connect_stream(nothing, std::move(others.client));
        } catch (const std::invalid_argument&) { is_refused = true; }
        CHECK(is_refused);
    }());
}

TEST_CASE("a server whose factory throws reports it and goes on", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto server = co_await coroscope::create_server(no_protocol, "127.0.0.1", 0);
        for (int i = 0; i < 2; ++i) {
            auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
            const auto end = co_await client.read(10);
            CHECK(end.empty());
        }
        REQUIRE(told.all.size() == 2);
        CHECK(contains(told.all[0].message, "was dropped: no transport for it"));
        CHECK(coroscope::describe(told.all[0].exception) == "the factory broke");
    }());
}

TEST_CASE("cancelling a server's connections aborts their transports", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = std::make_shared<noting>();
        const auto factory = [p] {
            return p;
        };
        auto server = co_await coroscope::create_server(factory, "127.0.0.1", 0);
        auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
        while (p->log.empty()) {
            co_await coroscope::yield_now();
        }
        server.cancel_connections();
        server.close();
        co_await server.wait_closed();
        co_await until_lost(p);
        CHECK(p->log == "made;lost;");
        const auto end = co_await client.read(10);
        CHECK(end.empty());
    }());
}

TEST_CASE("cancelling who connects aborts what was made", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        auto p = std::make_shared<noting>();
        const auto factory = [p] {
            return p;
        };
        auto connecting = coroscope::get_running_loop().create_task(
            coroscope::connect_stream(factory, std::move(ends.client)));
        p->on_made = [&] {
            connecting.cancel();
        };
        co_await until_lost(p);
        CHECK(connecting.cancelled());
        CHECK(p->log == "made;lost;");
    }());
}

TEST_CASE("what a stream had not read yet is the protocol's first data", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        ends.peer.write("UPGRADE\nfirst bytes");
        const auto line = co_await ends.client.read_line();
        CHECK(line == "UPGRADE\n");
        auto made = co_await coroscope::connect_stream(coroscope::make_protocol<noting>,
                                                       std::move(ends.client));
        CHECK(made.protocol->log == "made;");
        co_await let_others_run();
        CHECK(made.protocol->received == "first bytes");
        ends.peer.write(", more");
        co_await let_others_run();
        CHECK(made.protocol->received == "first bytes, more");
    }());
}

TEST_CASE("a stream that is being read, or closed, gets no protocol", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        ends.client.close();
        const auto message = co_await message_of<coroscope::invalid_state_error>(
            coroscope::connect_stream(coroscope::make_protocol<noting>, std::move(ends.client)));
        CHECK(contains(message, "is closed"));
    }());
}

TEST_CASE("create_server can be written with accepted sockets", "[io]") {
    coroscope::run([]() -> coro<> {
        const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const file_descriptor owner(listening);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&address));
        REQUIRE(::bind(listening, generic, size) == 0);
        REQUIRE(::listen(listening, 10) == 0);
        REQUIRE(::getsockname(listening, generic, &size) == 0);

        auto client = co_await coroscope::open_connection("127.0.0.1", ntohs(address.sin_port));
        auto accepted = co_await coroscope::sock_accept(listening);
        std::vector<std::string> said;
        const auto factory = [&said] {
            return std::make_shared<echo>(said);
        };
        auto made = co_await coroscope::connect_accepted_socket(factory, std::move(accepted));
        client.write("hello");
        const auto back = co_await client.read_exactly(5);
        CHECK(back == "hello");
        CHECK(said.front() == "Connection from " + client.local_endpoint());
        client.close();
        co_await let_others_run();
        CHECK(made.transport->is_closing());
    }());
}

TEST_CASE("what is no stream socket is refused and closed", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        const int number = pipe.out.get();
        const auto message =
            co_await message_of<boost::system::system_error>(coroscope::connect_accepted_socket(
                coroscope::make_protocol<noting>, std::move(pipe.out)));
        CHECK(contains(message, "cannot be used as a stream socket"));
        CHECK(::fcntl(number, F_GETFD) == -1);
    }());
}

TEST_CASE("a protocol reads a pipe to its end", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto p = std::make_shared<noting>();
        p->stays_open = true;  // a pipe has nothing to stay open for
        const auto factory = [p] {
            return p;
        };
        auto made = co_await coroscope::connect_read_pipe(factory, std::move(pipe.out));
        CHECK_FALSE(made.transport->can_write_eof());
        CHECK_THROWS_AS(made.transport->write("x"), coroscope::invalid_state_error);
        CHECK(::write(pipe.in.get(), "through the pipe", 16) == 16);
        co_await let_others_run();
        pipe.in.close();
        co_await until_lost(p);
        CHECK(p->log == "made;data;eof;lost;");
        CHECK(p->received == "through the pipe");
    }());
}

TEST_CASE("a protocol that writes to a pipe learns at once that the reader is gone", "[io]") {
    const bool has_unsent = GENERATE(false, true);
    coroscope::run([](bool fills) -> coro<> {
        raw_pipe pipe;
        auto made = co_await coroscope::connect_write_pipe(coroscope::make_protocol<noting>,
                                                           std::move(pipe.in));
        made.transport->write("some");
        const std::string large(1'000'000, 'l');
        if (fills) { made.transport->write(large); }
        co_await let_others_run();
        CHECK_FALSE(made.transport->is_closing());
        pipe.out.close();
        co_await until_lost(made.protocol);
        CHECK(made.protocol->log == (fills ? "made;pause;lost by error;" : "made;lost;"));
        if (fills) { CHECK(contains(coroscope::describe(made.protocol->lost_by), "writing to")); }
    }(has_unsent));
}

TEST_CASE("what comes back over a socket that is written to as a pipe is nobody's", "[io]") {
    coroscope::run([]() -> coro<> {
        int ends[2] = {};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        file_descriptor reader(ends[1]);
        auto made = co_await coroscope::connect_write_pipe(coroscope::make_protocol<noting>,
                                                           file_descriptor(ends[0]));
        CHECK(::write(reader.get(), "unasked", 7) == 7);
        co_await let_others_run();
        CHECK_FALSE(made.transport->is_closing());
        made.transport->write("some");
        std::array<char, 8> bytes = {};
        CHECK(::read(reader.get(), bytes.data(), bytes.size()) == 4);
        reader.close();
        co_await until_lost(made.protocol);
        CHECK(made.protocol->log == "made;lost;");
    }());
}

TEST_CASE("the end of writing closes a pipe once all is sent", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto made = co_await coroscope::connect_write_pipe(coroscope::make_protocol<noting>,
                                                           std::move(pipe.in));
        auto reader = co_await coroscope::connect_read_pipe(coroscope::make_protocol<noting>,
                                                            std::move(pipe.out));
        const std::string large(1'000'000, 'l');
        made.transport->write(large);
        made.transport->write_eof();
        co_await until_lost(reader.protocol);
        CHECK((reader.protocol->received == large));
        co_await until_lost(made.protocol);
        CHECK(made.protocol->log == "made;pause;resume;lost;");
    }());
}
