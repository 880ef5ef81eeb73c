// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/descriptors.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/stream_pair.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace stream_pair;
using coroscope::file_descriptor;

namespace {

struct socket_pair {
    explicit socket_pair(int flags = SOCK_NONBLOCK) {
        std::array<int, 2> both = {};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | flags, 0, both.data()) == 0);
        a = file_descriptor(both[0]);
        b = file_descriptor(both[1]);
    }
    file_descriptor a;
    file_descriptor b;
};

void send(const file_descriptor& to, const std::string& bytes) {
    REQUIRE(::send(to.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
}

std::string receive(const file_descriptor& from, std::size_t most) {
    std::string got(most, '\0');
    const auto n = ::recv(from.get(), got.data(), most, MSG_DONTWAIT);
    got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return got;
}

/// A listening socket on a free port of the loopback.
struct listener {
    listener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* raw = static_cast<sockaddr*>(static_cast<void*>(&address));
        socklen_t size = sizeof address;
        REQUIRE(::bind(socket.get(), raw, size) == 0);
        REQUIRE(::listen(socket.get(), 5) == 0);
        REQUIRE(::getsockname(socket.get(), raw, &size) == 0);
        port = ntohs(address.sin_port);
    }
    file_descriptor socket;
    std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("a reader is called until the descriptor is read empty, and again for more", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const socket_pair pair;
        std::string got;
        coroscope::add_reader(loop, pair.a.get(), [&] { got += receive(pair.a, 1); });
        co_await let_others_run();
        CHECK(got.empty());
        send(pair.b, "abc");
        while (got.size() < 3) {
            co_await coroscope::yield_now();
        }
        send(pair.b, "d");
        while (got.size() < 4) {
            co_await coroscope::yield_now();
        }
        CHECK(got == "abcd");
        CHECK(coroscope::remove_reader(loop, pair.a.get()));
        CHECK_FALSE(coroscope::remove_reader(loop, pair.a.get()));
        send(pair.b, "not read");
        co_await let_others_run();
        CHECK(got == "abcd");
    }());
}

TEST_CASE("a reader and a writer of one descriptor come and go by themselves", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const socket_pair pair;
        int read = 0;
        int written = 0;
        const int fd = pair.a.get();
        coroscope::add_reader(loop, fd, [&] {
            receive(pair.a, 10);
            ++read;
        });
        coroscope::add_writer(loop, fd, [&, fd] {
            if (++written == 2) { coroscope::remove_writer(loop, fd); }
        });
        co_await let_others_run();
        CHECK(written == 2);
        CHECK(read == 0);
        send(pair.b, "x");
        co_await let_others_run();
        CHECK(read == 1);
        int other = 0;
        coroscope::add_reader(loop, fd, [&] {
            receive(pair.a, 10);
            ++other;
        });
        send(pair.b, "x");
        co_await let_others_run();
        CHECK(read == 1);
        CHECK(other == 1);
        coroscope::remove_reader(loop, fd);
    }());
}

TEST_CASE("a reader removed after it was chosen is not called", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const socket_pair pair;
        int calls = 0;
        bool was_ready = false;
        const int fd = pair.a.get();
        coroscope::add_reader(loop, fd, [&] { ++calls; });
        send(pair.b, "x");
        while (!was_ready) {  // asks Asio by itself, so that the callback is ready and has not run
            was_ready = loop.io_context().poll() > 0;
        }
        CHECK(coroscope::remove_reader(loop, fd));
        co_await let_others_run();
        CHECK(calls == 0);
    }());
}

TEST_CASE("what a reader throws is reported, and the watch goes on", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        std::vector<std::string> told;
        loop.set_exception_handler(
            [&told](coroscope::loop&, const coroscope::exception_context& context) {
                told.push_back(coroscope::describe(context.exception));
            });
        const socket_pair pair;
        coroscope::add_reader(loop, pair.a.get(), [&] {
            throw std::runtime_error("cannot take " + receive(pair.a, 1));
        });
        send(pair.b, "12");
        co_await let_others_run();
        CHECK(told == std::vector<std::string>{"cannot take 1", "cannot take 2"});
        coroscope::remove_reader(loop, pair.a.get());
    }());
}

TEST_CASE("what cannot be watched is named", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        CHECK_THROWS_WITH(coroscope::add_reader(loop, -1, [] {}),
                          Catch::Contains("descriptor -1 cannot be watched"));
        const temporary_folder folder;
        const file_descriptor file(::open((folder / "f").c_str(), O_CREAT | O_RDWR, 0600));
        CHECK_THROWS_WITH(coroscope::add_writer(loop, file.get(), [] {}),
                          Catch::Contains("cannot be watched"));
        co_return;
    }());
    virtual_loop closed;
    closed.loop.close();
    const socket_pair pair;
    CHECK_THROWS_AS(coroscope::add_reader(closed.loop, pair.a.get(), [] {}),
                    coroscope::invalid_state_error);
    CHECK_FALSE(coroscope::remove_reader(closed.loop, pair.a.get()));
}

TEST_CASE("a watch that is left when its loop closes leaks nothing, nor closes anything", "[io]") {
    const socket_pair pair;
    {
        virtual_loop l;
        auto kept = std::make_shared<int>(1);
        const std::weak_ptr<int> seen = kept;
        coroscope::add_reader(l.loop, pair.a.get(), [kept] {});
        kept.reset();
        CHECK_FALSE(seen.expired());
        l.loop.close();
    }
    send(pair.b, "open");
    CHECK(receive(pair.a, 10) == "open");
}

TEST_CASE("sockets connect, accept, send and receive", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const listener server;
        auto accepting = loop.create_task(coroscope::sock_accept(server.socket.get()));
        const file_descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        co_await coroscope::sock_connect(client.get(), "localhost", server.port);
        const auto peer = co_await std::move(accepting);
        auto reading = loop.create_task(coroscope::sock_recv(peer.get(), 100));
        co_await let_others_run();
        CHECK_FALSE(reading.done());
        co_await coroscope::sock_sendall(client.get(), "hello");
        const auto got = co_await reading;
        CHECK(got == "hello");

        const std::string large(4'000'000, 's');
        auto sending = loop.create_task(coroscope::sock_sendall(client.get(), large));
        auto both = loop.create_task(coroscope::sock_recv(client.get(), 10));  // of the same socket
        std::size_t total = 0;
        while (total < large.size()) {
            const auto part = co_await coroscope::sock_recv(peer.get(), 100'000);
            total += part.size();
        }
        co_await sending;
        co_await coroscope::sock_sendall(peer.get(), "back");
        const auto back = co_await both;
        CHECK(back == "back");
    }());
}

TEST_CASE("cancelling an operation of a socket loses nothing", "[io]") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const socket_pair pair;
        for (int i = 0; i < 40; ++i) {
            auto reading = loop.create_task(coroscope::sock_recv(pair.a.get(), 1));
            if (i % 2 == 0) { co_await coroscope::yield_now(); }
            send(pair.b, "x");
            for (int k = 0; k < i; ++k) {
                co_await coroscope::yield_now();
            }
            reading.cancel();
            while (!reading.done()) {
                co_await coroscope::yield_now();
            }
            const auto left = reading.cancelled() ? receive(pair.a, 2) : reading.result();
            CHECK(left == "x");
        }
    }());
}

TEST_CASE("sockets that block, are closed or refused are named", "[io]") {
    coroscope::run([]() -> coro<> {
        const socket_pair blocking(0);
        const auto name = std::to_string(blocking.a.get());
        const auto blocks =
            co_await message_of<std::invalid_argument>(coroscope::sock_recv(blocking.a.get(), 1));
        CHECK(contains(blocks, "sock_recv on descriptor " + name + ", which blocks"));
        const auto closed =
            co_await message_of<boost::system::system_error>(coroscope::sock_accept(-1));
        CHECK(contains(closed, "sock_accept on descriptor -1"));
        socket_pair pair;
        pair.b.close();
        const auto gone = co_await message_of<boost::system::system_error>(
            coroscope::sock_sendall(pair.a.get(), "x"));
        CHECK(contains(gone, "sock_sendall on descriptor"));
        listener server;
        const auto port = server.port;
        server.socket.close();
        const file_descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        const auto refused = co_await message_of<boost::system::system_error>(
            coroscope::sock_connect(client.get(), "127.0.0.1", port));
        CHECK(contains(refused, "sock_connect on descriptor"));
        CHECK(contains(refused, "refused"));
    }());
}

TEST_CASE("socket operations that still wait when their loop ends leak nothing", "[io]") {
    const socket_pair pair;
    coroscope::run([](const socket_pair& p) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        loop.create_task(coroscope::sock_recv(p.a.get(), 1));
        co_await let_others_run();
    }(pair));
}
