// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/transport.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/protocol_pair.hpp"
#include "support/catch.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace protocol_pair;
using coroscope::write_buffer_limits;

TEST_CASE("closing sends what is unsent, and tells of the loss once, later", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        const std::string large(2'000'000, 'z');
        t.connection->write(large);
        CHECK(t.connection->get_write_buffer_size() > 0);
        t.connection->close();
        t.connection->close();
        CHECK(t.connection->is_closing());
        CHECK(t.protocol->times_lost == 0);
        t.connection->write("too late, dropped");
        const auto all = co_await read_all(t.peer);
        CHECK((all == large));
        co_await until_lost(t.protocol);
        co_await let_others_run();
        CHECK(t.protocol->log == "made;pause;resume;lost;");
        t.connection->close();
        t.connection->abort();
        co_await let_others_run();
        CHECK(t.protocol->times_lost == 1);
    }());
}

TEST_CASE("closing with nothing unsent tells of the loss in a later step", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        t.connection->close();
        CHECK(t.protocol->log == "made;");
        co_await coroscope::yield_now();
        CHECK(t.protocol->log == "made;lost;");
        CHECK(t.connection->get_protocol() == nullptr);
        CHECK(t.connection->native_handle() == -1);
    }());
}

TEST_CASE("aborting drops what is unsent and tells of the loss soon, with no reason", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        fill_up(t.peer, 64 * 1024);
        const std::string large(2'000'000, 'z');
        t.connection->write(large);
        t.connection->abort();
        CHECK(t.connection->get_write_buffer_size() == 0);
        CHECK(t.protocol->times_lost == 0);
        co_await coroscope::yield_now();
        CHECK(t.protocol->log == "made;pause;lost;");
        t.peer.abort();
    }());
}

TEST_CASE("a slow reader pauses the writer at one mark and lets it go on at the other", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        t.connection->set_write_buffer_limits(100'000, 10'000);
        CHECK((t.connection->get_write_buffer_limits() == write_buffer_limits{10'000, 100'000}));
        const std::string block(50'000, 'x');
        while (t.connection->get_write_buffer_size() <= 100'000) {
            CHECK(t.protocol->log == "made;");
            t.connection->write(block);
        }
        CHECK(t.protocol->log == "made;pause;");
        t.connection->write(block);
        co_await let_others_run();
        CHECK(t.protocol->log == "made;pause;");
        while (t.connection->get_write_buffer_size() > 10'000) {
            CHECK(t.protocol->log == "made;pause;");
            const auto part = co_await t.peer.read(10'000);
            CHECK_FALSE(part.empty());
        }
        co_await let_others_run();
        CHECK(t.protocol->log == "made;pause;resume;");
    }());
}

TEST_CASE("limits are derived from each other as in asyncio", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        auto& c = *t.connection;
        CHECK((c.get_write_buffer_limits() == write_buffer_limits{16'384, 65'536}));
        c.set_write_buffer_limits(1000);
        CHECK((c.get_write_buffer_limits() == write_buffer_limits{250, 1000}));
        c.set_write_buffer_limits(std::nullopt, 1000);
        CHECK((c.get_write_buffer_limits() == write_buffer_limits{1000, 4000}));
        CHECK_THROWS_AS(c.set_write_buffer_limits(1, 2), std::invalid_argument);
        c.set_write_buffer_limits();
        CHECK((c.get_write_buffer_limits() == write_buffer_limits{16'384, 65'536}));
    }());
}

TEST_CASE("limits lowered below what is unsent pause the writer at once", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        t.connection->set_write_buffer_limits(10'000'000);
        const std::string large(1'000'000, 'z');
        t.connection->write(large);
        CHECK(t.protocol->log == "made;");
        t.connection->set_write_buffer_limits(0);
        CHECK(t.protocol->log == "made;pause;");
        auto reading = co_await t.peer.read_exactly(large.size());
        co_await let_others_run();
        CHECK(t.protocol->log == "made;pause;resume;");
    }());
}

TEST_CASE("while reading is paused bytes stay where they are, and none is lost", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        CHECK(t.connection->is_reading());
        t.connection->pause_reading();
        t.connection->pause_reading();
        CHECK_FALSE(t.connection->is_reading());
        t.peer.write("kept");
        co_await let_others_run();
        CHECK(t.protocol->received.empty());
        t.connection->resume_reading();
        t.connection->resume_reading();
        co_await let_others_run();
        CHECK(t.protocol->received == "kept");
        t.peer.write(" and more");
        co_await let_others_run();
        CHECK(t.protocol->received == "kept and more");
    }());
}

TEST_CASE("a protocol that pauses reading inside of a call gets no further one", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        t.protocol->on_data = [p = t.protocol.get()] {
            p->connection->pause_reading();
        };
        const std::string large(300'000, 'l');
        t.peer.write(large);
        co_await let_others_run();
        CHECK(t.protocol->log == "made;data;");
        t.protocol->on_data = nullptr;
        t.connection->resume_reading();
        while (t.protocol->received.size() < large.size()) {
            co_await coroscope::yield_now();
        }
        CHECK((t.protocol->received == large));
    }());
}

TEST_CASE("the end of one direction keeps the other where the protocol says so", "[io]") {
    coroscope::run([]() -> coro<> {
        auto p = std::make_shared<noting>();
        p->stays_open = true;
        auto t = co_await talk(p);
        t.peer.write("question");
        t.peer.write_eof();
        co_await let_others_run();
        CHECK(p->log == "made;data;eof;");
        CHECK_FALSE(t.connection->is_closing());
        t.connection->write("answer");
        CHECK(t.connection->can_write_eof());
        t.connection->write_eof();
        CHECK_THROWS_AS(t.connection->write("more"), coroscope::invalid_state_error);
        const auto answer = co_await read_all(t.peer);
        CHECK(answer == "answer");
        CHECK(p->times_lost == 0);
        t.connection->close();
        co_await until_lost(p);
        CHECK(p->log == "made;data;eof;lost;");
    }());
}

TEST_CASE("a peer that dies half-way is told with its error, and only to the protocol", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto t = co_await talk();
        t.connection->pause_reading();
        fill_up(t.peer, 64 * 1024);  // unread bytes make its end a reset
        const std::string large(2'000'000, 'z');
        t.connection->write(large);
        t.peer.abort();
        co_await until_lost(t.protocol);
        CHECK(t.protocol->log == "made;pause;lost by error;");
        CHECK(contains(coroscope::describe(t.protocol->lost_by), "writing to"));
        CHECK(told.all.empty());
    }());
}

TEST_CASE("who sets another protocol has it called from then on", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        auto second = std::make_shared<noting>();
        t.connection->set_protocol(second);
        CHECK(t.connection->get_protocol() == second);
        t.peer.write("for the second");
        co_await let_others_run();
        CHECK(t.protocol->received.empty());
        CHECK(second->received == "for the second");
        t.peer.close();
        co_await until_lost(second);
        CHECK(second->log == "data;eof;lost;");
        CHECK(t.protocol->log == "made;");
        CHECK_THROWS_AS(t.connection->set_protocol(nullptr), std::invalid_argument);
    }());
}

TEST_CASE("a transport keeps no protocol that it is given after the end", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        t.connection->abort();
        co_await until_lost(t.protocol);
        auto late = std::make_shared<noting>();
        t.connection->set_protocol(late);
        CHECK(late.use_count() == 1);
        CHECK(t.connection->get_protocol() == nullptr);
    }());
}

TEST_CASE("many lines are one write", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        const std::vector<std::string> lines = {"one\n", "", "two\n"};
        t.connection->writelines(lines);
        t.connection->close();
        const auto all = co_await read_all(t.peer);
        CHECK(all == "one\ntwo\n");
    }());
}

TEST_CASE("a transport tells who is at its ends, also after the end", "[io]") {
    coroscope::run([]() -> coro<> {
        auto t = co_await talk();
        CHECK(t.connection->native_handle() >= 0);
        const auto remote = t.connection->remote_endpoint();
        CHECK_FALSE(remote.empty());
        t.connection->abort();
        co_await until_lost(t.protocol);
        CHECK(t.connection->remote_endpoint() == remote);
        CHECK(contains(t.connection->description(), remote));
    }());
}

TEST_CASE("in debug mode another thread's write is refused") {
    coroscope::run_options debugging;
    debugging.debug = true;
    coroscope::run(
        []() -> coro<> {
            auto t = co_await talk();
            auto job = [c = t.connection] {
                c->write("x");
            };
            auto pending = coroscope::get_running_loop().run_in_executor(std::move(job));
            std::string message;
            try {
                co_await pending;
            } catch (const std::logic_error& e) { message = e.what(); }
            CHECK(contains(message, "transport::write was called from thread"));
        }(),
        debugging);
}
