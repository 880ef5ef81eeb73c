// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/stream.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

using namespace stream_pair;

TEST_CASE("a Unix-domain server echoes, and both ends are named by its path", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "echo";
        auto server = co_await coroscope::start_unix_server(echo_back, path);
        CHECK(server.endpoints() == std::vector<std::string>{path});
        CHECK(server.port() == 0);
        auto client = co_await coroscope::open_unix_connection(path);
        client.write("hello\n");
        const auto answer = co_await client.read_line();
        CHECK(answer == "hello\n");
        CHECK(client.remote_endpoint() == path);
        const auto name = "connection process " + std::to_string(::getpid()) + " on " + path;
        bool is_named = false;
        for (const auto& t : coroscope::all_tasks(coroscope::get_running_loop())) {
            is_named = is_named || t.name() == name;
        }
        CHECK(is_named);
        client.write_eof();
        const auto end = co_await client.read(1);
        CHECK(end.empty());
        server.close();
        CHECK(server.endpoints().empty());
        co_await server.wait_closed();
    }());
}

TEST_CASE("closing a Unix-domain server removes its socket, but no other", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "s";
        auto first = co_await coroscope::start_unix_server(echo_back, path);
        CHECK(std::filesystem::is_socket(path));
        auto second = co_await coroscope::start_unix_server(echo_back, path);  // takes its place
        first.close();
        CHECK(std::filesystem::is_socket(path));
        auto client = co_await coroscope::open_unix_connection(path);
        client.write("to the second");
        const auto answer = co_await client.read_exactly(13);
        CHECK(answer == "to the second");
        second.close();
        CHECK_FALSE(std::filesystem::exists(path));
    }());
}

TEST_CASE("a Unix-domain server replaces no file that is not a socket", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "precious";
        std::ofstream(path) << "data";
        const auto message = co_await message_of<boost::system::system_error>(
            coroscope::start_unix_server(echo_back, path));
        CHECK(contains(message, "listening on the Unix-domain socket " + path));
        CHECK(contains(message, "Address already in use"));
        CHECK(std::filesystem::file_size(path) == 4);
    }());
}

TEST_CASE("what cannot be connected to or is too long is named", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "nobody";
        const auto nobody =
            co_await message_of<boost::system::system_error>(coroscope::open_unix_connection(path));
        CHECK(contains(nobody, "connecting to the Unix-domain socket " + path));
        const std::string endless(200, 'l');
        const auto tried = co_await message_of<boost::system::system_error>(
            coroscope::open_unix_connection(endless));
        CHECK(contains(tried, "at most 107 bytes: " + endless));
        const auto served = co_await message_of<boost::system::system_error>(
            coroscope::start_unix_server(echo_back, endless));
        CHECK(contains(served, "listening on the Unix-domain socket " + endless));
    }());
}

TEST_CASE("a path that begins with NUL is in the abstract namespace", "[io]") {
    coroscope::run([]() -> coro<> {
        const auto name = "coroscope-test-" + std::to_string(::getpid());
        const auto path = std::string(1, '\0') + name;
        auto server = co_await coroscope::start_unix_server(echo_back, path);
        CHECK(server.endpoints() == std::vector<std::string>{"@" + name});
        auto client = co_await coroscope::open_unix_connection(path);
        client.write("x");
        const auto answer = co_await client.read(1);
        CHECK(answer == "x");
        CHECK(client.remote_endpoint() == "@" + name);
    }());
}

TEST_CASE("a connection that is cancelled before it is made leaves nothing behind", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "s";
        auto server = co_await coroscope::start_unix_server(echo_back, path);
        auto& loop = coroscope::get_running_loop();
        auto unstarted = loop.create_task(coroscope::open_unix_connection(path));
        unstarted.cancel();
        auto begun = loop.create_task(coroscope::open_unix_connection(path));
        co_await coroscope::yield_now();
        begun.cancel();
        co_await let_others_run();
        CHECK(unstarted.cancelled());
        CHECK(begun.done());
        begun = {};
        co_await let_others_run();
        CHECK(server.connections() == 0);
    }());
}
