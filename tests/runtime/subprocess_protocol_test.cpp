// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/subprocess_protocol.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>

#include "runtime/subprocess_pair.hpp"
#include "support/catch.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>

using coroscope::coro;
using coroscope::subprocess_transport;

namespace {

/// Notes what it is told.
class noting final : public coroscope::subprocess_protocol {
public:
    void connection_made(subprocess_transport t) override {
        log += 'm';
        kept = t;
        if (greets) {
            t.write("hello");
            t.write_eof();
        }
    }
    void pipe_data_received(int stream, std::string_view bytes) override {
        received.at(static_cast<std::size_t>(stream)) += bytes;
        if (throws) { throw std::out_of_range("in the protocol"); }
    }
    void pipe_connection_lost(int stream, std::exception_ptr e) override {
        if (e == nullptr) {
            log += std::to_string(stream);
        } else {
            input_problem = e;
        }
    }
    void process_exited() override { log += 'x'; }
    void connection_lost(std::exception_ptr e) override {
        log += 'l';
        problem = e;
        over.set();
    }
    [[nodiscard]] bool was_told(char what) const { return log.find(what) != std::string::npos; }

    std::string log;
    std::array<std::string, 3> received;
    std::exception_ptr problem;
    std::exception_ptr input_problem;
    std::optional<subprocess_transport> kept;
    coroscope::event over;
    bool greets = false;
    bool throws = false;
};

}  // namespace

TEST_CASE("a protocol is told of data, the pipes' ends and the child's, and the last thing last",
          "[io]") {
    coroscope::run([]() -> coro<> {
        auto protocol = std::make_shared<noting>();
        protocol->greets = true;
        const auto give = [protocol] {
            return protocol;
        };
        auto connection =
            co_await coroscope::subprocess_shell(give, "cat; echo problem >&2; exit 3");
        CHECK(connection.protocol == protocol);
        CHECK(protocol->log == "m");
        co_await protocol->over.wait();
        CHECK(protocol->received[1] == "hello");
        CHECK(protocol->received[2] == "problem\n");
        CHECK(protocol->log.size() == 6);
        CHECK(protocol->log.back() == 'l');
        for (const char each : {'0', '1', '2', 'x'}) {
            CHECK(protocol->was_told(each));
        }
        CHECK(protocol->problem == nullptr);
        CHECK(connection.transport.returncode() == 3);
    }());
}

TEST_CASE("a protocol is told at once that its child reads no more, or was told to", "[io]") {
    coroscope::run([]() -> coro<> {
        const std::string runs_on = "exec tail -f /dev/null";
        for (const bool greets : {false, true}) {
            auto protocol = std::make_shared<noting>();
            protocol->greets = greets;
            const auto give = [protocol] {
                return protocol;
            };
            const auto line = (greets ? "cat; " : "exec <&-; ") + runs_on;
            auto made = co_await coroscope::subprocess_shell(give, line);
            const auto told = [&protocol] {
                return protocol->was_told('0');
            };
            co_await subprocess_pair::until(told);
            CHECK_FALSE(protocol->was_told('x'));
            CHECK_FALSE(made.transport.returncode().has_value());
            if (!greets) { made.transport.write("to nobody"); }
            made.transport.close();
            co_await protocol->over.wait();
            CHECK(std::count(protocol->log.begin(), protocol->log.end(), '0') == 1);
            CHECK(protocol->problem == nullptr);
        }
    }());
}

TEST_CASE("a child that reads no more while something is unsent shows as broken_pipe", "[io]") {
    coroscope::run([]() -> coro<> {
        auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        auto made = co_await coroscope::subprocess_shell(
            give, "read line; exec <&-; exec tail -f /dev/null");
        made.transport.write("line\n" + std::string(300'000, 'x'));
        const auto told = [&protocol] {
            return protocol->input_problem != nullptr;
        };
        co_await subprocess_pair::until(told);
        try {
            std::rethrow_exception(protocol->input_problem);
        } catch (const boost::system::system_error& e) {
            CHECK(e.code() == boost::asio::error::broken_pipe);
            CHECK(stream_pair::contains(e.what(), "the input of process"));
        }
        CHECK_FALSE(protocol->was_told('x'));
        made.transport.close();
        co_await protocol->over.wait();
    }());
    CHECK_FALSE(subprocess_pair::has_children());
}

TEST_CASE("a protocol whose task never begins is told of the end all the same", "[io]") {
    auto protocol = std::make_shared<noting>();
    coroscope::run([](std::shared_ptr<noting> p) -> coro<> {
        const auto give = [p] {
            return p;
        };
        co_await coroscope::subprocess_exec(give, coroscope::command("cat"));
    }(protocol));
    CHECK(protocol->log == "ml");
    CHECK_THROWS_AS(std::rethrow_exception(protocol->problem), coroscope::cancelled_error);
    CHECK_FALSE(protocol->kept->kill());  // the transport outlives its loop, and does nothing
    protocol->kept->write("to nobody");
    CHECK(protocol->kept->pid() > 0);
    CHECK_FALSE(subprocess_pair::has_children());
}

TEST_CASE("closing a transport kills the child, and the protocol is told all the same", "[io]") {
    coroscope::run([]() -> coro<> {
        auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        auto connection = co_await coroscope::subprocess_exec(give, coroscope::command("cat"));
        connection.transport.close();
        co_await protocol->over.wait();
        CHECK(connection.transport.returncode() == -SIGKILL);
        CHECK(protocol->problem == nullptr);
        CHECK_FALSE(connection.transport.terminate());
        CHECK(connection.transport.pid() > 0);
    }());
    CHECK_FALSE(subprocess_pair::has_children());
}

TEST_CASE("a protocol that throws loses its child", "[io]") {
    coroscope::run([]() -> coro<> {
        auto protocol = std::make_shared<noting>();
        protocol->throws = true;
        const auto give = [protocol] {
            return protocol;
        };
        auto connection = co_await coroscope::subprocess_exec(give, coroscope::command("yes"));
        co_await protocol->over.wait();
        CHECK_THROWS_AS(std::rethrow_exception(protocol->problem), std::out_of_range);
    }());
    CHECK_FALSE(subprocess_pair::has_children());
}

TEST_CASE("a child that runs when its loop ends is killed, and its protocol told", "[io]") {
    auto protocol = std::make_shared<noting>();
    coroscope::run([](std::shared_ptr<noting> p) -> coro<> {
        const auto give = [p] {
            return p;
        };
        auto connection = co_await coroscope::subprocess_exec(give, coroscope::command("cat"));
        co_await stream_pair::let_others_run();
        CHECK_FALSE(connection.transport.returncode().has_value());
    }(protocol));
    CHECK(protocol->was_told('l'));
    CHECK_THROWS_AS(std::rethrow_exception(protocol->problem), coroscope::cancelled_error);
    CHECK_FALSE(subprocess_pair::has_children());
}

TEST_CASE("a loop that closes lets go of a protocol and the transport that it keeps", "[io]") {
    std::weak_ptr<coroscope::subprocess_protocol> seen;
    {
        coroscope::loop loop;
        loop.run_until_complete([](std::weak_ptr<coroscope::subprocess_protocol>& out) -> coro<> {
            const auto connection = co_await coroscope::subprocess_exec(
                [] { return std::make_shared<noting>(); }, coroscope::command("cat"));
            out = connection.protocol;
        }(seen));
        CHECK_FALSE(seen.expired());
        loop.close();
    }
    CHECK(seen.expired());
    CHECK_FALSE(subprocess_pair::has_children());
}
