// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/stream_pair.hpp>

#include "support/catch.hpp"

#include <coroscope/testkit/catch.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <memory>
#include <string>

using namespace std::chrono_literals;
using boost::system::system_error;
using coroscope::coro;
using coroscope::stream;
using coroscope::testkit::make_stream_pair;
using coroscope::testkit::settle;
using coroscope::testkit::stream_pair_options;
using coroscope::testkit::this_test;

namespace {

coro<> echo(stream s) {
    while (true) {
        const auto line = co_await s.read_line();
        if (line.empty()) { co_return; }
        s.write(line);
        co_await s.drain();
    }
}

coro<> write_all(stream& s, std::string bytes) {
    s.write(bytes);
    co_await s.drain();
}

}  // namespace

CO_TEST_CASE("what goes into one end comes out of the other", "[stream_pair]") {
    auto ends = make_stream_pair();
    auto server = this_test().loop().create_task(echo(std::move(ends.second)));
    for (int i = 0; i < 3; ++i) {
        ends.first.write("hello\n");
        CO_CHECK(co_await ends.first.read_line() == "hello\n");
    }
    ends.first.write_eof();
    CO_CHECK(co_await ends.first.read_all() == "");
    co_await server;
    CO_CHECK(this_test().clock().elapsed() == 0s);
}

CO_TEST_CASE("a full pair holds its writer back until it is read", "[stream_pair]") {
    stream_pair_options options;
    options.capacity = 10;
    options.stream.high_water = 5;
    options.stream.low_water = 0;
    auto ends = make_stream_pair(options);
    auto writer = this_test().loop().create_task(write_all(ends.first, std::string(25, 'x')));
    co_await settle();
    CO_CHECK_FALSE(writer.done());
    CO_CHECK(ends.first.unsent() == 15);
    CO_CHECK(co_await ends.second.read_exactly(10) == std::string(10, 'x'));
    co_await settle();
    CO_CHECK(ends.first.unsent() == 5);
    CO_CHECK_FALSE(writer.done());
    CO_CHECK(co_await ends.second.read_exactly(15) == std::string(15, 'x'));
    co_await writer;
    CO_CHECK(ends.first.unsent() == 0);
}

CO_TEST_CASE("a pair that is not full holds nobody back", "[stream_pair]") {
    auto ends = make_stream_pair();
    co_await write_all(ends.first, std::string(60'000, 'x'));
    CO_CHECK(ends.first.unsent() == 0);
    CO_CHECK(co_await ends.second.read_exactly(60'000) == std::string(60'000, 'x'));
}

CO_TEST_CASE("either direction ends by itself", "[stream_pair]") {
    auto ends = make_stream_pair();
    ends.first.write("question");
    ends.first.write_eof();
    CO_CHECK(co_await ends.second.read_all() == "question");
    ends.second.write("answer");
    ends.second.close();
    CO_CHECK(co_await ends.first.read_all() == "answer");
}

CO_TEST_CASE("closing sends what is left first", "[stream_pair]") {
    stream_pair_options options;
    options.capacity = 4;
    auto ends = make_stream_pair(options);
    ends.first.write("0123456789");
    ends.first.close();
    CO_CHECK(co_await ends.second.read_all() == "0123456789");
    co_await ends.first.wait_closed();
}

CO_TEST_CASE("a reader learns of the close at once, though bytes are unsent", "[stream_pair]") {
    stream_pair_options options;
    options.capacity = 4;
    auto ends = make_stream_pair(options);
    auto reader = this_test().loop().create_task(ends.first.read(1));
    ends.first.write("0123456789");
    co_await settle();
    ends.first.close();
    CO_CHECK(co_await reader == "");
    CO_CHECK(ends.first.unsent() == 6);
    CO_CHECK(co_await ends.second.read_all() == "0123456789");
}

CO_TEST_CASE("writing to an end that is gone fails", "[stream_pair]") {
    auto ends = make_stream_pair();
    ends.second.close();
    ends.first.write("x");
    CO_CHECK_THROWS_AS(co_await ends.first.drain(), system_error);
}

CO_TEST_CASE("a writer that waits learns that the reader has gone", "[stream_pair]") {
    stream_pair_options options;
    options.capacity = 4;
    options.stream.high_water = 0;
    auto ends = make_stream_pair(options);
    auto writer = this_test().loop().create_task(write_all(ends.first, "0123456789"));
    co_await settle();
    CO_CHECK_FALSE(writer.done());
    ends.second.abort();
    CO_CHECK_THROWS_AS(co_await writer, system_error);
}

CO_TEST_CASE("a read that is cancelled loses nothing", "[stream_pair]") {
    auto ends = make_stream_pair();
    CO_CHECK_THROWS_AS(co_await coroscope::wait_for(ends.second.read_line(), 1s),
                       coroscope::timeout_error);
    ends.first.write("line\n");
    CO_CHECK(co_await ends.second.read_line() == "line\n");
}

CO_TEST_CASE("a completed read beats its cancellation", "[stream_pair]") {
    auto ends = make_stream_pair();
    auto reader = this_test().loop().create_task(ends.second.read(10));
    co_await settle();
    ends.first.write("bytes");
    reader.cancel();
    CO_CHECK_THROWS_AS(co_await reader, coroscope::cancelled_error);
    CO_CHECK(co_await ends.second.read(10) == "bytes");
}

CO_TEST_CASE("waiting for the other end alone is a deadlock, not I/O", "[stream_pair]") {
    CO_CHECK(this_test().loop().core().io_operations == 0);
    auto ends = make_stream_pair();
    auto reader = this_test().loop().create_task(ends.second.read(10));
    co_await settle();
    CO_CHECK(this_test().loop().core().io_operations == 0);
    ends.first.write("x");
    CO_CHECK(co_await reader == "x");
    CO_CHECK(this_test().loop().core().io_operations == 0);
}

TEST_CASE("a reader whom nobody writes to is stuck", "[stream_pair]") {
    const auto body = []() -> coro<> {
        auto ends = make_stream_pair();
        static_cast<void>(co_await ends.second.read(1));
    };
    const auto result = coroscope::testkit::run_test(body);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == coroscope::testkit::failure_kind::deadlock);
}

CO_TEST_CASE("a pair without room makes no sense", "[stream_pair]") {
    stream_pair_options options;
    options.capacity = 0;
    CO_CHECK_THROWS_AS(static_cast<void>(make_stream_pair(options)), std::invalid_argument);
    co_return;
}

TEST_CASE("streams that are left when their loop closes go with it", "[stream_pair]") {
    auto loop = std::make_unique<coroscope::loop>();
    const auto leave = []() -> coro<> {
        stream_pair_options options;
        options.capacity = 2;
        auto ends = make_stream_pair(options);
        ends.first.write("more than fits");
        static_cast<void>(co_await ends.first.read(1));
    };
    loop->set_exception_handler([](coroscope::loop&, const auto&) {});
    auto task = loop->create_task(leave());
    loop->call_later(1ms, [&] { loop->stop(); });
    loop->run_forever();
    CHECK_FALSE(task.done());
    loop.reset();
}
