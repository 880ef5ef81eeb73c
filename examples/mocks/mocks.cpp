// SPDX-License-Identifier: Apache-2.0
// Tests of a small client, each with another kind of stand-in for what the client talks to.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/mock.hpp>
#include <coroscope/testkit/mock_stream.hpp>
#include <coroscope/testkit/network.hpp>
#include <coroscope/testkit/stream_pair.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace coroscope::testkit;
using coroscope::coro;
using coroscope::stream;

// What is tested: a greeting that asks a service for a name, and tries again when that is busy.

struct greeter {
    std::function<coro<std::string>(int)> name_of;

    coro<std::string> name_with_patience(int id) {
        for (auto pause = 1s;; pause *= 2) {
            try {
                co_return co_await name_of(id);
            } catch (const std::runtime_error&) {
                if (pause > 4s) { throw; }
            }
            co_await coroscope::sleep_for(pause);
        }
    }
    coro<> greet(int id) {
        const auto name = co_await name_with_patience(id);
        std::cout << "hello, " << name << '\n';
    }
};

// And a client of a line protocol: one question, one answer.

coro<std::string> ask(stream s, std::string question) {
    s.write(question + "\n");
    co_await s.drain();
    auto answer = co_await s.read_line();
    co_return answer;
}

coro<> answer_all(stream s) {
    for (auto line = co_await s.read_line(); !line.empty();) {
        s.write("re: " + line);
        line = co_await s.read_line();
    }
}

CO_TEST_CASE("the greeter asks for the name once", "[mocks]") {
    coroutine_mock<std::string(int)> name_of("name_of");
    name_of.returns("Ada");
    greeter g{name_of};
    CO_CHECK(co_await g.name_with_patience(7) == "Ada");
    name_of.assert_awaited_once_with(7);
}

CO_TEST_CASE("the greeter tries again", "[mocks]") {
    coroutine_mock<std::string(int)> name_of("name_of");
    name_of.throws_once(std::runtime_error("busy")).delays(100ms).returns("Ada");
    greeter g{name_of};
    CO_CHECK(co_await g.name_with_patience(7) == "Ada");
    CO_CHECK(name_of.await_count() == 2);
    name_of.assert_awaits_in_order({{7}, {anything}});
    CO_CHECK(this_test().clock().elapsed() == 1200ms);
}

CO_TEST_CASE("the pauses double, and take no time here", "[mocks]") {
    const intercept_sleep sleeps;
    const capture_output output;
    coroutine_mock<std::string(int)> name_of("name_of");
    name_of.throws(std::runtime_error("busy"));
    greeter g{name_of};
    CO_CHECK_THROWS_AS(co_await g.greet(7), std::runtime_error);
    CO_CHECK(sleeps.durations() == std::vector<coroscope::duration>{1s, 2s, 4s});
    name_of.returns("Ada");
    co_await g.greet(7);
    CO_CHECK(output.lines() == std::vector<std::string>{"hello, Ada"});
}

CO_TEST_CASE("a function is replaced for a scope", "[mocks]") {
    coroutine_mock<std::string(int)> real("real");
    coroutine_mock<std::string(int)> fake("fake");
    real.returns("Ada");
    fake.returns("Grace");
    greeter g{real};
    {
        const auto patched = patch(g.name_of, fake);
        CO_CHECK(co_await g.name_with_patience(7) == "Grace");
    }
    CO_CHECK(co_await g.name_with_patience(7) == "Ada");
}

CO_TEST_CASE("the order across mocks", "[mocks]") {
    coroutine_mock<int(std::string)> load("load");
    coroutine_mock<void(int)> store("store");
    load.returns(3);
    mock_log log;
    log.watch(load, store);
    const int loaded = co_await load("a");
    co_await store(loaded);
    log.assert_order({"load(\"a\")", "store(3)"});
}

CO_TEST_CASE("a server by script", "[mocks]") {
    mock_stream server("server");
    server.expects_write("size\n").waits(2s).gives_in_pieces("42\n", {1}).expects_close();
    CO_CHECK(co_await ask(server.open(), "size") == "42\n");
    server.assert_finished();
}

CO_TEST_CASE("any operation may be the one that fails", "[mocks]") {
    for (std::size_t n = 1; n <= 2; ++n) {
        mock_stream server("server");
        server.expects_write("size\n").gives("42\n");
        server.fails_in_operation(n, boost::asio::error::connection_reset);
        CO_CHECK_THROWS_AS(co_await ask(server.open(), "size"), boost::system::system_error);
    }
}

CO_TEST_CASE("client and server in memory", "[mocks]") {
    auto ends = make_stream_pair();
    auto served = this_test().loop().create_task(answer_all(std::move(ends.second)));
    CO_CHECK(co_await ask(std::move(ends.first), "size") == "re: size\n");
    co_await served;
}

CO_TEST_CASE("client and server with a bad network between them", "[mocks]") {
    network net;
    link_options link;
    link.latency = 30ms;
    link.jitter = 5ms;
    link.loss = 0.1;
    net.set_link("client", "server", link);
    auto server = co_await net.host("server").start_server(answer_all, "", 7);
    auto connection = co_await net.host("client").open_connection("server", 7);
    net.partition("client", "server");
    auto asking = this_test().loop().create_task(ask(std::move(connection), "size"));
    co_await coroscope::sleep_for(1h);
    CO_CHECK_FALSE(asking.done());
    net.heal("client", "server");
    CO_CHECK(co_await asking == "re: size\n");
    server.close();
    co_await server.wait_closed();
}
