// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/mock_stream.hpp>

#include "support/catch.hpp"
#include "testkit/failure_text.hpp"

#include <coroscope/testkit/catch.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/connection.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/protocol.hpp>

#include <boost/asio/error.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using coroscope::coro;
using coroscope::stream;
using coroscope::testkit::assertion_error;
using coroscope::testkit::failure_kind;
using coroscope::testkit::mock_stream;
using coroscope::testkit::run_test;
using coroscope::testkit::this_test;

namespace {

const error_code reset = boost::asio::error::connection_reset;

coro<std::string> ask(stream& s, std::string question) {
    s.write(question);
    co_await s.drain();
    co_return co_await s.read_line();
}

coro<std::vector<std::string>> pieces_of(stream& s) {
    std::vector<std::string> all;
    while (true) {
        auto piece = co_await s.read(1000);
        if (piece.empty()) { co_return all; }
        all.push_back(std::move(piece));
    }
}

coro<error_code> error_of_read(stream& s) {
    try {
        static_cast<void>(co_await s.read(100));
    } catch (const system_error& e) { co_return e.code(); }
    co_return error_code();
}

}  // namespace

CO_TEST_CASE("a scripted conversation", "[mock_stream]") {
    mock_stream server("server");
    server.expects_write("GET /\r\n").waits(2s).gives("200\n").expects_write("QUIT\n").ends();
    auto s = server.open();
    CO_CHECK(co_await ask(s, "GET /\r\n") == "200\n");
    CO_CHECK(this_test().clock().elapsed() == 2s);
    CO_CHECK(co_await ask(s, "QUIT\n") == "");
    server.assert_finished();
    CO_CHECK(server.written() == "GET /\r\nQUIT\n");
    CO_CHECK(s.remote_endpoint() == "server");
}

CO_TEST_CASE("how the code divides its writes does not matter", "[mock_stream]") {
    mock_stream server;
    server.expects_write("abc").expects_write("de").gives("ok\n");
    auto s = server.open();
    s.write("a");
    s.write("bcd");
    CO_CHECK(co_await ask(s, "e") == "ok\n");
}

CO_TEST_CASE("pieces are read one by one", "[mock_stream]") {
    mock_stream server;
    server.gives_in_pieces("abcdefg", {1, 3, 2}).gives("rest").ends();
    auto s = server.open();
    const auto pieces = co_await pieces_of(s);
    CO_CHECK(pieces == std::vector<std::string>{"a", "bcd", "ef", "g", "rest"});
}

TEST_CASE("random pieces are decided by the test's seed", "[mock_stream]") {
    const std::string text(100, 'x');
    const auto pieces = [&](std::uint64_t seed) {
        std::vector<std::string> got;
        const auto body = [](std::vector<std::string>& to, const std::string& all) -> coro<> {
            mock_stream server;
            server.gives_in_pieces(all).ends();
            auto s = server.open();
            to = co_await pieces_of(s);
        };
        coroscope::testkit::test_options options;
        options.seed = seed;
        CHECK(run_test([&] { return body(got, text); }, options).ok());
        return got;
    };
    const auto first = pieces(1);
    CHECK(first == pieces(1));
    bool has_other = false;
    for (std::uint64_t seed = 2; seed < 10; ++seed) {
        has_other = has_other || pieces(seed) != first;
    }
    CHECK(has_other);
    std::string joined;
    for (const auto& piece : first) {
        joined += piece;
    }
    CHECK(joined == text);
}

CO_TEST_CASE("a piece may be read in parts", "[mock_stream]") {
    mock_stream server;
    server.gives("abcdef").ends();
    auto s = server.open();
    CO_CHECK(co_await s.read_exactly(2) == "ab");
    CO_CHECK(co_await s.read_exactly(4) == "cdef");
    CO_CHECK(co_await s.read_all() == "");
}

CO_TEST_CASE("a connection that fails: what was sent before is read, then comes the error",
             "[mock_stream]") {
    mock_stream server;
    server.gives("half").fails(reset);
    auto s = server.open();
    CO_CHECK(co_await s.read_exactly(4) == "half");
    CO_CHECK(co_await error_of_read(s) == reset);
    s.write("x");
    CO_CHECK_THROWS_AS(co_await s.drain(), system_error);
}

CO_TEST_CASE("any operation may be the one that fails", "[mock_stream]") {
    for (std::size_t n = 1; n <= 4; ++n) {
        mock_stream server;
        server.expects_write("a").gives("b\n").expects_write("c").gives("d\n");
        server.fails_in_operation(n, reset);
        auto s = server.open();
        std::size_t done = 0;
        try {
            static_cast<void>(co_await ask(s, "a"));
            ++done;
            static_cast<void>(co_await ask(s, "c"));
            ++done;
        } catch (const system_error& e) { CO_CHECK(e.code() == reset); }
        CO_CHECK(done == (n - 1) / 2);
    }
}

CO_TEST_CASE("the other side may end, and be written to", "[mock_stream]") {
    mock_stream server;
    server.gives("bye").ends().expects_write("late").expects_eof();
    auto s = server.open();
    CO_CHECK(co_await s.read_all() == "bye");
    s.write("late");
    s.write_eof();
    co_await s.drain();
    server.assert_finished();
}

CO_TEST_CASE("the code may end, and read on", "[mock_stream]") {
    mock_stream server;
    server.expects_write("all").expects_eof().gives("done").ends().expects_close();
    auto s = server.open();
    s.write("all");
    s.write_eof();
    CO_CHECK(co_await s.read_all() == "done");
    CO_CHECK_THROWS_AS(server.assert_finished(), assertion_error);
    s.close();
    co_await s.wait_closed();
    server.assert_finished();
}

CO_TEST_CASE("a silent server leaves its client to its timeout", "[mock_stream]") {
    mock_stream server;
    server.expects_write("hello").is_silent();
    auto s = server.open();
    CO_CHECK_THROWS_AS(co_await coroscope::wait_for(ask(s, "hello"), 30s),
                       coroscope::timeout_error);
    CO_CHECK(this_test().clock().elapsed() == 30s);
}

CO_TEST_CASE("what is written while the server sleeps waits for it", "[mock_stream]") {
    mock_stream server;
    server.waits(1s).expects_write("early").gives("ok\n");
    auto s = server.open();
    CO_CHECK(co_await ask(s, "early") == "ok\n");
    CO_CHECK(this_test().clock().elapsed() == 1s);
}

CO_TEST_CASE("a cancelled read loses nothing", "[mock_stream]") {
    mock_stream server;
    server.waits(2s).gives("late\n");
    auto s = server.open();
    CO_CHECK_THROWS_AS(co_await coroscope::wait_for(s.read_line(), 1s), coroscope::timeout_error);
    CO_CHECK(co_await s.read_line() == "late\n");
    CO_CHECK(this_test().clock().elapsed() == 2s);
}

CO_TEST_CASE("a reader learns that its stream is closed", "[mock_stream]") {
    mock_stream server;
    server.expects_close();
    auto s = server.open();
    auto reader = this_test().loop().create_task(s.read_all());
    co_await coroscope::testkit::settle();
    s.close();
    CO_CHECK(co_await reader == "");
}

// --- How it fails a test

TEST_CASE("another write than expected", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.expects_write("GET /index\r\n").gives("200\n");
        auto s = server.open();
        s.write("GET /other\r\n");
        CO_CHECK(co_await error_of_read(s) == boost::asio::error::connection_aborted);
        s.write("more");  // is no further failure
    };
    CHECK(failure_text::of(body)
          == "mock stream 'server': wrong write: \"other\\r\\n\" after \"GET /\"\n"
             "    the script is at step 1 (mock_stream_test.cpp:N): expects_write \"GET /index\\r\\n\", "
             "of which 5 bytes have come\n");
}

TEST_CASE("the failure is at the script's line", "[mock_stream]") {
    int line = 0;
    const auto body = [](int& at) -> coro<> {
        mock_stream server("server");
        server.gives("x");
        at = __LINE__ + 1;
        server.expects_write("a");
        auto s = server.open();
        s.write("b");
        co_return;
    };
    const auto result = run_test([&] { return body(line); });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::mock);
    CHECK(static_cast<int>(result.failures[0].where.line()) == line);
}

TEST_CASE("a write that no step expects", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.waits(1s).gives("hello\n");
        auto s = server.open();
        s.write("too early");
        co_return;
    };
    CHECK(failure_text::of(body)
          == "mock stream 'server': unexpected write of \"too early\"\n"
             "    the script is at step 1 (mock_stream_test.cpp:N): waits 1 s\n");
}

TEST_CASE("more is written than expected", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.expects_write("ab");
        auto s = server.open();
        s.write("abcd");
        co_return;
    };
    CHECK(failure_text::of(body)
          == "mock stream 'server': unexpected write of \"cd\"\n"
             "    the script is at its end, after step 1 (mock_stream_test.cpp:N): expects_write "
             "\"ab\"\n");
}

TEST_CASE("more is written than expected, to a server that falls silent", "[mock_stream]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.expects_write("ab").is_silent();
        auto s = server.open();
        s.write("abcd");
        co_return;
    };
    CHECK_THAT(failure_text::of(body), Catch::Contains("unexpected write of \"cd\""));
}

CO_TEST_CASE("a script is for one connection", "[mock_stream]") {
    mock_stream server("server");
    auto s = server.open();
    CO_CHECK_THROWS_AS(static_cast<void>(server.open()), coroscope::invalid_state_error);
    co_return;
}

TEST_CASE("a read at the script's end fails at once", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.gives("a");
        auto s = server.open();
        CO_CHECK(co_await s.read(10) == "a");
        CO_CHECK(co_await error_of_read(s) == boost::asio::error::connection_aborted);
        mock_stream empty("empty");
        auto nothing = empty.open();
        CO_CHECK(co_await error_of_read(nothing) == boost::asio::error::connection_aborted);
        CHECK(this_test().clock().elapsed() == 0s);
    };
    CHECK(failure_text::of(body)
          == "mock stream 'server': unexpected read: nothing was sent, and nothing will be\n"
             "    the script is at its end, after step 1 (mock_stream_test.cpp:N): gives \"a\"\n"
             "mock stream 'empty': unexpected read: nothing was sent, and nothing will be\n"
             "    the script is empty\n");
}

TEST_CASE("steps that are left", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.expects_write("a").expects_write("b");
        auto s = server.open();
        s.write("a");
        co_return;
    };
    CHECK(failure_text::of(body)
          == "mock stream 'server': the script is not finished: it is at step 2 "
             "(mock_stream_test.cpp:N): expects_write \"b\"\n");
}

TEST_CASE("bytes that nobody has read", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.gives("abc").gives("def").ends();
        auto s = server.open();
        CO_CHECK(co_await s.read(1) == "a");
        CO_CHECK(co_await s.read(1) == "b");  // the stream has taken all of the piece
    };
    CHECK(failure_text::of(body)
          == "mock stream 'server': 3 bytes were sent and never read, beginning with \"def\" of step "
             "2 (mock_stream_test.cpp:N): gives \"def\"\n");
}

TEST_CASE("what an exception leaves over is no failure of its own", "[mock_stream]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.expects_write("a");
        throw std::runtime_error("first");
        co_return;
    };
    CHECK_THAT(failure_text::of(body), !Catch::Contains("mock stream") && Catch::Contains("first"));
}

TEST_CASE("a stuck test is told at which step the script is", "[mock_stream][golden]") {
    const auto body = []() -> coro<> {
        mock_stream server("server");
        server.expects_write("a").expects_write("b");
        auto s = server.open();
        s.write("a");
        static_cast<void>(co_await s.read(1));
    };
    const auto text = failure_text::of(body);
    CHECK_THAT(text, Catch::StartsWith("deadlock: nothing can run"));
    CHECK_THAT(text,
               Catch::Contains("\n    mock stream 'server' is at step 2 (mock_stream_test.cpp:N)"
                               ": expects_write \"b\""));
}

CO_TEST_CASE("assert_finished says what is left", "[mock_stream][golden]") {
    mock_stream server("server");
    server.expects_write("a");
    const auto text = failure_text::thrown_by([&] { server.assert_finished(); });
    CO_CHECK(text
             == "mock stream 'server': assert_finished failed at mock_stream_test.cpp:N\n"
                "    the script is not finished: it is at step 1 (mock_stream_test.cpp:N): "
                "expects_write \"a\"");
    auto s = server.open();
    s.write("a");
    co_return;
}

CO_TEST_CASE("sizes of pieces must make sense", "[mock_stream]") {
    mock_stream server;
    CO_CHECK_THROWS_AS(server.gives_in_pieces("abc", std::vector<std::size_t>()),
                       std::invalid_argument);
    CO_CHECK_THROWS_AS(server.gives_in_pieces("abc", {1, 0}), std::invalid_argument);
    co_return;
}

TEST_CASE("without a running loop there is no mock stream", "[mock_stream]") {
    CHECK_THROWS_AS(mock_stream("server"), std::logic_error);
}
