// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/stream.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/wait.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <boost/system/system_error.hpp>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::stream;
using namespace stream_pair;

namespace {

/// The two ends of one connection over loopback.
coro<connected> connect_by_tcp(coroscope::stream_options options = {}) {
    auto accepted = coroscope::get_running_loop().create_future<stream>();
    const auto handler = [accepted](stream s) {
        return hand_over(accepted, std::move(s));
    };
    coroscope::server_options settings;
    settings.stream = options;
    auto server = co_await coroscope::start_server(handler, "127.0.0.1", 0, settings);
    auto client = co_await coroscope::open_connection("127.0.0.1", server.port(), options);
    auto peer = co_await std::move(accepted);
    co_return connected(std::move(client), std::move(peer));
}

}  // namespace

TEST_CASE("what one end writes the other reads, and then the end of the stream") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        ends.client.write("hello, ");
        ends.client.write("world");
        ends.client.close();
        const auto all = co_await read_all(ends.peer);
        CHECK(all == "hello, world");
        const auto more = co_await ends.peer.read(10);
        CHECK(more.empty());
    }());
}

TEST_CASE("a read gives at most what was asked for, and nothing for nothing") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        ends.client.write("abcdef");
        const auto none = co_await ends.peer.read(0);
        CHECK(none.empty());
        const auto first = co_await ends.peer.read_exactly(1);
        const auto second = co_await ends.peer.read(2);
        const auto rest = co_await ends.peer.read(100);
        CHECK(first + "|" + second + "|" + rest == "a|bc|def");
    }());
}

TEST_CASE("read_exactly puts pieces together, and hands over what came before an early end") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        const std::string large(300'000, 'l');
        ends.client.write(large);
        ends.client.write("abc");
        ends.client.close();
        const auto got = co_await ends.peer.read_exactly(large.size());
        CHECK(got == large);
        try {
            co_await ends.peer.read_exactly(10);
            FAIL("nothing was thrown");
        } catch (const coroscope::incomplete_read_error& e) {
            CHECK(e.partial() == "abc");
            CHECK(std::string(e.what()).find("ended after 3 bytes") != std::string::npos);
        }
    }());
}

TEST_CASE("read_until finds a separator that arrives in pieces") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        ends.client.write("head\r");
        auto reading = coroscope::get_running_loop().create_task(ends.peer.read_until("\r\n"));
        co_await let_others_run();
        CHECK_FALSE(reading.done());
        ends.client.write("\ntail");
        const auto head = co_await reading;
        CHECK(head == "head\r\n");
        ends.client.close();
        const auto message =
            co_await message_of<coroscope::incomplete_read_error>(ends.peer.read_until("\r\n"));
        CHECK(message.find("ended after 4 bytes, where a separator was expected")
              != std::string::npos);
        const auto empty = co_await message_of<std::invalid_argument>(ends.peer.read_until(""));
        CHECK(empty.find("at least one byte") != std::string::npos);
    }());
}

TEST_CASE("read_until leaves what is over the limit in the stream, read_line drops it") {
    coroscope::run([]() -> coro<> {
        coroscope::stream_options options;
        options.read_limit = 8;
        auto ends = co_await connect_by_tcp(options);
        ends.client.write("0123456789\nnext\n");
        const auto until =
            co_await message_of<coroscope::limit_overrun_error>(ends.peer.read_until("\n"));
        CHECK(until.find("more than 8 bytes without the separator") != std::string::npos);
        const auto still = co_await ends.peer.read(4);
        CHECK(still == "0123");
        const auto fits = co_await ends.peer.read_line();
        CHECK(fits == "456789\n");
        ends.client.write("and a long one");
        co_await let_others_run();
        const auto next = co_await ends.peer.read_line();
        CHECK(next == "next\n");
        const auto line =
            co_await message_of<coroscope::limit_overrun_error>(ends.peer.read_line());
        CHECK(line.find("more than 8 bytes") != std::string::npos);
        ends.client.write("\n");
        const auto after = co_await ends.peer.read_line();
        CHECK(after == "\n");
    }());
}

TEST_CASE("lines are read with their ends, the last one as it is, then nothing") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        ends.client.write("one\n\nlast");
        ends.client.write_eof();
        std::vector<std::string> lines;
        for (int i = 0; i < 4; ++i) {
            lines.push_back(co_await ends.peer.read_line());
        }
        CHECK(lines == std::vector<std::string>{"one\n", "\n", "last", ""});
        ends.peer.write("still open this way");
        ends.peer.close();
        const auto answer = co_await read_all(ends.client);
        CHECK(answer == "still open this way");
    }());
}

TEST_CASE("drain waits above the high-water mark until the low one is reached") {
    coroscope::run([]() -> coro<> {
        coroscope::stream_options options;
        options.high_water = 100'000;
        options.low_water = 10'000;
        auto ends = co_await connect_by_tcp(options);
        fill_up(ends.client, options.high_water);
        auto draining = coroscope::get_running_loop().create_task(ends.client.drain());
        co_await let_others_run();
        CHECK_FALSE(draining.done());
        while (ends.client.unsent() > options.low_water) {
            co_await ends.peer.read(10'000);
        }
        co_await draining;
        co_await ends.client.drain();
        CHECK(ends.client.unsent() <= options.low_water);
    }());
}

TEST_CASE("cancelling a drain drops nothing that was written") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        fill_up(ends.client, 64 * 1024);
        ends.client.write("the end");
        auto draining = coroscope::get_running_loop().create_task(ends.client.drain());
        auto other = coroscope::get_running_loop().create_task(ends.client.drain());
        co_await let_others_run();
        draining.cancel();
        co_await let_others_run();
        CHECK(draining.cancelled());
        CHECK_FALSE(other.done());
        ends.client.close();
        const auto all = co_await read_all(ends.peer);
        CHECK(all.substr(all.size() - 9) == "xxthe end");
        co_await other;
        co_await ends.client.wait_closed();
    }());
}

TEST_CASE("close sends what is unsent, abort does not") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        const std::string large(5'000'000, 'z');
        ends.client.write(large);
        ends.client.close();
        ends.client.close();
        CHECK(ends.client.is_closing());
        CHECK(ends.client.unsent() > 0);
        const auto all = co_await read_all(ends.peer);
        CHECK(all.size() == large.size());
        co_await ends.client.wait_closed();

        auto others = co_await connect_by_tcp();
        others.client.write(large);
        others.client.abort();
        const auto lost =
            co_await message_of<boost::system::system_error>(others.client.wait_closed());
        CHECK(lost.find("writing to 127.0.0.1:") != std::string::npos);
    }());
}

TEST_CASE("a destroyed stream sends what was written first") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        const std::string large(3'000'000, 'd');
        ends.client.write(large);
        ends.client = stream();
        const auto all = co_await read_all(ends.peer);
        CHECK(all == large);
    }());
}

TEST_CASE("cancelling a read loses no bytes, and the stream can be read on") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        ends.client.write("ab");
        auto reading = coroscope::get_running_loop().create_task(ends.peer.read_exactly(4));
        co_await let_others_run();
        reading.cancel();
        co_await let_others_run();
        CHECK(reading.cancelled());
        ends.client.write("cd");
        const auto all = co_await ends.peer.read_exactly(4);
        CHECK(all == "abcd");
    }());
}

TEST_CASE("a read that takes too long ends by timeout and can be tried again") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        const auto message = co_await message_of<coroscope::timeout_error>(
            coroscope::wait_for(ends.peer.read(1), 1ms));
        CHECK(message.find("did not finish within") != std::string::npos);
        ends.client.write("x");
        const auto late = co_await coroscope::wait_for(ends.peer.read(1), 10s);
        CHECK(late == "x");
    }());
}

TEST_CASE("a second reader is told so, and the first goes on") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        auto reading = coroscope::get_running_loop().create_task(ends.peer.read(1));
        co_await let_others_run();
        const auto message =
            co_await message_of<coroscope::invalid_state_error>(ends.peer.read_line());
        CHECK(message.find("two tasks read from 127.0.0.1:") != std::string::npos);
        ends.client.write("x");
        const auto first = co_await reading;
        CHECK(first == "x");
    }());
}

TEST_CASE("closing gives a waiting reader the end, and a writer an error") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        auto reading = coroscope::get_running_loop().create_task(ends.peer.read(1));
        co_await let_others_run();
        ends.peer.close();
        const auto end = co_await reading;
        CHECK(end.empty());
        CHECK_THROWS_AS(ends.peer.write("x"), coroscope::invalid_state_error);
        CHECK_THROWS_AS(stream().write("x"), coroscope::invalid_state_error);
    }());
}

TEST_CASE("a lost connection shows in drain and in read") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        fill_up(ends.client, 64 * 1024);
        ends.peer.abort();  // with unread bytes: a reset
        const auto drain = co_await message_of<boost::system::system_error>(ends.client.drain());
        CHECK(drain.find("writing to 127.0.0.1:") != std::string::npos);
        ends.client.write("is dropped");
        CHECK(ends.client.unsent() == 0);

        auto others = co_await connect_by_tcp();
        others.client.write("never read");
        co_await let_others_run();
        others.peer.abort();
        const auto read = co_await message_of<boost::system::system_error>(others.client.read(1));
        CHECK(read.find("reading from 127.0.0.1:") != std::string::npos);
    }());
}

TEST_CASE("a task that waits in a stream shows the caller's line") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        const auto line = std::source_location::current().line() + 1;
        auto reading = coroscope::get_running_loop().create_task(ends.peer.read_line());
        co_await let_others_run();
        const auto stack = reading.stack();
        REQUIRE_FALSE(stack.empty());
        CHECK(std::string(stack.front().file_name()).find("stream_test.cpp") != std::string::npos);
        CHECK(stack.front().line() == line);
        reading.cancel();
        co_await let_others_run();
    }());
}

TEST_CASE("both ends know their addresses") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        CHECK(ends.client.remote_endpoint() == ends.peer.local_endpoint());
        CHECK(ends.client.local_endpoint() == ends.peer.remote_endpoint());
        CHECK(ends.client.remote_endpoint().rfind("127.0.0.1:", 0) == 0);
        CHECK(stream().remote_endpoint().empty());
    }());
}

TEST_CASE("a name that cannot be looked up is an error that names it") {
    coroscope::run([]() -> coro<> {
        const std::string impossible(70, 'x');  // a label may have 63 letters
        const auto message = co_await message_of<boost::system::system_error>(
            coroscope::open_connection(impossible, 1));
        CHECK(message.find("looking up " + impossible) != std::string::npos);
    }());
}

TEST_CASE("streams that still send when their loop ends leak nothing") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        fill_up(ends.client, 64 * 1024);
        auto& loop = coroscope::get_running_loop();
        loop.create_task(ends.peer.wait_closed());
        loop.create_task(ends.client.drain());
        co_await let_others_run();
    }());
}

TEST_CASE("read_all gives everything up to the end; a cancelled one leaves it all to the next") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect_by_tcp();
        ends.client.write("first, ");
        auto reading = coroscope::get_running_loop().create_task(ends.peer.read_all());
        co_await let_others_run();
        reading.cancel();
        co_await coroscope::wait(reading);
        CHECK(reading.cancelled());
        ends.client.write("second");
        ends.client.write_eof();
        const auto all = co_await ends.peer.read_all();
        CHECK(all == "first, second");
        const auto nothing = co_await ends.peer.read_all();
        CHECK(nothing.empty());
    }());
}
