// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/stream.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace stream_pair;

namespace {

coro<> hand_over_nothing(stream) {
    co_return;
}

coro<std::size_t> write_blocks(stream& to, int count, std::size_t size) {
    const std::string block(size, 'b');
    std::size_t most = 0;
    for (int i = 0; i < count; ++i) {
        to.write(block);
        most = std::max(most, to.unsent());
        co_await to.drain();
    }
    to.close();
    co_return most;
}

}  // namespace

TEST_CASE("a slow reader makes the writer wait at the high-water mark", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::stream_options options;
        options.high_water = 50'000;
        auto ends = co_await connect(options);
        auto& loop = coroscope::get_running_loop();
        auto writing = loop.create_task(write_blocks(ends.client, 1000, 10'000));
        co_await let_others_run();
        CHECK_FALSE(writing.done());
        CHECK(ends.client.unsent() > 50'000);
        CHECK(ends.client.unsent() <= 60'000);
        std::size_t got = 0;
        auto part = co_await ends.peer.read(3000);
        while (!part.empty()) {
            got += part.size();
            part = co_await ends.peer.read(3000);
        }
        CHECK(got == 10'000'000);
        const auto most = co_await writing;
        CHECK(most > 50'000);
        CHECK(most <= 60'000);
    }());
}

TEST_CASE("once above the high-water mark, drain waits for the low one, also between both",
          "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::stream_options options;
        options.high_water = 4'000'000;  // far more than the kernel takes at once
        options.low_water = 10'000;
        auto ends = co_await connect(options);
        fill_up(ends.client, options.high_water);
        while (ends.client.unsent() > 3'500'000) {
            co_await ends.peer.read(5'000);
        }
        REQUIRE(ends.client.unsent() > 1'000'000);
        auto draining = coroscope::get_running_loop().create_task(ends.client.drain());
        co_await let_others_run();
        CHECK_FALSE(draining.done());
        while (!draining.done()) {
            co_await ends.peer.read(10'000);
        }
        CHECK(ends.client.unsent() <= 10'000);
        ends.client.write("x");
        auto again = coroscope::get_running_loop().create_task(ends.client.drain());
        co_await coroscope::yield_now();
        co_await coroscope::yield_now();
        CHECK(again.done());
    }());
}

TEST_CASE("the low-water mark is a quarter of the high one unless it is set", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::stream_options options;
        options.high_water = 200'000;
        auto ends = co_await connect(options);
        fill_up(ends.client, options.high_water);
        auto draining = coroscope::get_running_loop().create_task(ends.client.drain());
        std::size_t last = ends.client.unsent();
        while (!draining.done()) {
            last = ends.client.unsent();
            co_await ends.peer.read(2000);
        }
        CHECK(ends.client.unsent() <= 50'000);
        CHECK(last > 20'000);
    }());
}

TEST_CASE("a small write is in the kernel when write returns", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        const auto operations = coroscope::get_running_loop().core().io_operations;
        ends.client.write("small");
        CHECK(ends.client.unsent() == 0);
        CHECK(coroscope::get_running_loop().core().io_operations == operations);
        const auto got = co_await ends.peer.read(10);
        CHECK(got == "small");
    }());
}

TEST_CASE("a stream takes from the kernel only what is read", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        fill_up(ends.client, 64 * 1024);
        const auto before = ends.client.unsent();
        co_await let_others_run();
        CHECK(ends.client.unsent() == before);
    }());
}

TEST_CASE("several drains end together, and a cancelled one ends alone", "[io]") {
    coroscope::run([]() -> coro<> {
        auto ends = co_await connect();
        auto& loop = coroscope::get_running_loop();
        fill_up(ends.client, 64 * 1024);
        std::vector<coroscope::task<>> drains;
        for (int i = 0; i < 3; ++i) {
            drains.push_back(loop.create_task(ends.client.drain()));
        }
        drains[0].cancel();  // before it waits
        co_await coroscope::yield_now();
        drains[1].cancel();  // while it waits
        co_await coroscope::yield_now();
        CHECK(drains[0].cancelled());
        CHECK(drains[1].cancelled());
        CHECK_FALSE(drains[2].done());
        ends.client.close();
        const auto all = co_await read_all(ends.peer);
        CHECK(all.size() > 64 * 1024);
        co_await drains[2];
    }());
}

TEST_CASE("limits that make no sense are refused by name", "[io]") {
    coroscope::run([]() -> coro<> {
        coroscope::stream_options upside_down;
        upside_down.high_water = 10;
        upside_down.low_water = 11;
        const auto marks = co_await message_of<std::invalid_argument>(
            coroscope::open_unix_connection("nowhere", upside_down));
        CHECK(marks == "stream_options::low_water is 11, above the high_water of 10");
        coroscope::stream_options nothing;
        nothing.read_limit = 0;
        const auto limit = co_await message_of<std::invalid_argument>(
            coroscope::open_connection("127.0.0.1", 1, nothing));
        CHECK(limit == "stream_options::read_limit is 0; it must be at least 1");
        coroscope::server_options of_server;
        of_server.stream = nothing;
        const auto served = co_await message_of<std::invalid_argument>(
            coroscope::start_server(hand_over_nothing, "127.0.0.1", 0, of_server));
        CHECK(served == limit);
    }());
}
