// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/pipe.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/raw_pipe.hpp"
#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <csignal>
#include <stdexcept>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

using namespace stream_pair;
using coroscope::file_descriptor;
using coroscope::open_read_pipe;
using coroscope::open_write_pipe;

TEST_CASE("what is written to a pipe comes out of it, line by line, until it is closed", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto reader = open_read_pipe(std::move(pipe.out));
        auto writer = open_write_pipe(std::move(pipe.in));
        auto waiting = coroscope::get_running_loop().create_task(reader.read_line());
        co_await let_others_run();
        CHECK_FALSE(waiting.done());
        writer.write("one\ntwo");
        co_await writer.drain();
        const auto one = co_await waiting;
        CHECK(one == "one\n");
        writer.write_eof();
        CHECK(writer.is_closing());
        const auto two = co_await reader.read_line();
        CHECK(two == "two");
        const auto end = co_await reader.read_line();
        CHECK(end.empty());
    }());
}

TEST_CASE("a pipe whose reader is slow slows its writer down, and closing sends the rest", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto reader = open_read_pipe(std::move(pipe.out));
        auto writer = open_write_pipe(std::move(pipe.in));
        const std::string large(1'000'000, 'l');
        writer.write(large);
        CHECK(writer.unsent() > 0);
        auto draining = coroscope::get_running_loop().create_task(writer.drain());
        co_await let_others_run();
        CHECK_FALSE(draining.done());
        writer.close();
        const auto all = co_await read_all(reader);
        CHECK((all == large));
        co_await draining;
        co_await writer.wait_closed();
    }());
}

TEST_CASE("a pipe whose reader is gone is an error of the next drain, and no signal", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto writer = open_write_pipe(std::move(pipe.in));
        pipe.out.close();
        writer.write("lost");
        try {
            co_await writer.drain();
            FAIL("nothing was thrown");
        } catch (const boost::system::system_error& e) {
            CHECK(e.code() == boost::asio::error::broken_pipe);
        }
        sigset_t waiting = {};
        ::sigpending(&waiting);
        CHECK(::sigismember(&waiting, SIGPIPE) == 0);
    }());
}

TEST_CASE("a reader that goes while a writer waits ends the wait with an error", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto writer = open_write_pipe(std::move(pipe.in));
        fill_up(writer, 64 * 1024);
        auto draining = coroscope::get_running_loop().create_task(writer.drain());
        co_await let_others_run();
        CHECK_FALSE(draining.done());
        pipe.out.close();
        bool is_broken = false;
        try {
            co_await draining;
        } catch (const boost::system::system_error& e) {
            is_broken = e.code() == boost::asio::error::broken_pipe;
        }
        CHECK(is_broken);
    }());
}

TEST_CASE("an end of a pipe goes one way only", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto reader = open_read_pipe(std::move(pipe.out));
        auto writer = open_write_pipe(std::move(pipe.in));
        CHECK_THROWS_AS(reader.write("x"), coroscope::invalid_state_error);
        const auto message = co_await message_of<coroscope::invalid_state_error>(writer.read(1));
        CHECK(contains(message, "which is the end to write to"));
    }());
}

TEST_CASE("cancelling a read of a pipe loses nothing", "[io]") {
    coroscope::run([]() -> coro<> {
        raw_pipe pipe;
        auto reader = open_read_pipe(std::move(pipe.out));
        auto waiting = coroscope::get_running_loop().create_task(reader.read(10));
        co_await let_others_run();
        waiting.cancel();
        co_await let_others_run();
        CHECK(waiting.cancelled());
        CHECK(::write(pipe.in.get(), "kept", 4) == 4);
        const auto got = co_await reader.read(10);
        CHECK(got == "kept");
    }());
}

TEST_CASE("a file is no pipe, and what is none is closed all the same", "[io]") {
    coroscope::run([]() -> coro<> {
        const temporary_folder folder;
        const auto path = folder / "file";
        const int number = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        std::string message;
        try {
            static_cast<void>(open_read_pipe(file_descriptor(number)));
        } catch (const boost::system::system_error& e) { message = e.what(); }
        CHECK(contains(message,
                       "descriptor " + std::to_string(number) + " cannot be used as a pipe"));
        CHECK(::fcntl(number, F_GETFD) == -1);
        CHECK_THROWS_AS(open_write_pipe(file_descriptor()), boost::system::system_error);
        co_return;
    }());
}
