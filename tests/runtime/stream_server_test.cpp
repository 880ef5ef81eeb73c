// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <boost/system/system_error.hpp>

#include <string>
#include <vector>

#include <sys/resource.h>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::stream;
using stream_pair::echo_back;
using stream_pair::let_others_run;
using stream_pair::message_of;

TEST_CASE("a server runs a named task for each connection and waits for all of them") {
    coroscope::run([]() -> coro<> {
        auto server = co_await coroscope::start_server(echo_back, "localhost", 0);
        auto a = co_await coroscope::open_connection("localhost", server.port());
        auto b = co_await coroscope::open_connection("127.0.0.1", server.port());
        a.write("a");
        b.write("b");
        const auto from_a = co_await a.read(1);
        const auto from_b = co_await b.read(1);
        CHECK(from_a + from_b == "ab");
        CHECK(server.connections() == 2);
        bool named = false;
        for (const auto& t : coroscope::all_tasks(coroscope::get_running_loop())) {
            named = named || t.name() == "connection " + a.local_endpoint();
        }
        CHECK(named);

        server.close();
        server.close();
        const auto refused = co_await message_of<boost::system::system_error>(
            coroscope::open_connection("127.0.0.1", server.port()));
        CHECK(refused.find("connecting to 127.0.0.1 port") != std::string::npos);
        auto ended = coroscope::get_running_loop().create_task(server.wait_closed());
        a.close();
        co_await let_others_run();
        CHECK_FALSE(ended.done());
        b.close();
        co_await ended;
        co_await server.wait_closed();
        CHECK(server.connections() == 0);
    }());
}

TEST_CASE("cancelling a server's connections ends their handlers") {
    coroscope::run([]() -> coro<> {
        auto server = co_await coroscope::start_server(echo_back, "127.0.0.1", 0);
        auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
        client.write("x");
        co_await client.read(1);
        server.close();
        server.cancel_connections();
        co_await server.wait_closed();
        const auto end = co_await client.read(1);
        CHECK(end.empty());
    }());
}

TEST_CASE("what a handler throws reaches the loop's exception handler, and the server goes on") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        std::vector<std::string> told;
        loop.set_exception_handler(
            [&told](coroscope::loop&, const coroscope::exception_context& context) {
                told.push_back(coroscope::describe(context.exception));
            });
        const auto failing = [](stream s) -> coro<> {
            const auto got = co_await s.read(1);
            throw std::runtime_error("cannot serve " + got);
        };
        auto server = co_await coroscope::start_server(failing, "127.0.0.1", 0);
        for (const char* request : {"1", "2"}) {
            auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
            client.write(request);
            const auto end = co_await client.read(1);
            CHECK(end.empty());
        }
        server.close();
        co_await server.wait_closed();
        co_await let_others_run();
        CHECK(told == std::vector<std::string>{"cannot serve 1", "cannot serve 2"});
    }());
}

// With no descriptor left, the sanitizers cannot tell which memory is accessible, and cry wolf.
#ifndef COROSCOPE_TEST_ADDRESS_SANITIZER
TEST_CASE("a server that runs out of descriptors says so, pauses and goes on") {
    coroscope::run([]() -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto shortage = loop.create_future();
        std::string told;
        int listening = -1;
        loop.set_exception_handler(
            [&](coroscope::loop&, const coroscope::exception_context& context) {
                told = context.message;
                listening = context.socket;
                if (!shortage.done()) { shortage.set_result(); }
            });
        coroscope::server_options options;
        options.accept_pause = 1ms;
        auto server = co_await coroscope::start_server(echo_back, "127.0.0.1", 0, options);
        auto warm_up = co_await coroscope::open_connection("127.0.0.1", server.port());
        warm_up.write("x");
        co_await warm_up.read(1);

        auto connecting = loop.create_task(coroscope::open_connection("127.0.0.1", server.port()));
        co_await coroscope::yield_now();  // its socket is open, nobody has accepted it yet
        rlimit before = {};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit none = before;
        none.rlim_cur = 0;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        co_await shortage;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(told.find("accepts no connections for a moment") != std::string::npos);
        CHECK(listening >= 0);

        auto client = co_await std::move(connecting);
        client.write("y");
        const auto answer = co_await client.read(1);
        CHECK(answer == "y");
        server.close();
    }());
}
#endif

TEST_CASE("a server tells which address it cannot listen on") {
    coroscope::run([]() -> coro<> {
        auto first = co_await coroscope::start_server(echo_back, "127.0.0.1", 0);
        const auto message = co_await message_of<boost::system::system_error>(
            coroscope::start_server(echo_back, "127.0.0.1", first.port()));
        CHECK(message.find("listening on 127.0.0.1:" + std::to_string(first.port()))
              != std::string::npos);
    }());
}

TEST_CASE("an empty host listens on every address") {
    coroscope::run([]() -> coro<> {
        auto server = co_await coroscope::start_server(echo_back, "", 0);
        auto client = co_await coroscope::open_connection("127.0.0.1", server.port());
        client.write("x");
        const auto answer = co_await client.read(1);
        CHECK(answer == "x");
    }());
}
