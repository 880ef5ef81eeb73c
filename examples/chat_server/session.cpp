// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <boost/system/system_error.hpp>

#include <chrono>

namespace chat_server {
namespace {

using coroscope::coro;
using coroscope::stream;

/// Passes on what the member types, until the connection ends.
coro<> read_lines(chat& in, stream& from, member& who) {
    try {
        std::string line = co_await from.read_line();
        while (!line.empty()) {
            in.take_line(who, line);
            co_await coroscope::yield_now();  // the others' writers come first, however much comes
            line = co_await from.read_line();
        }
        in.end(who, "has gone", "");
    } catch (const coroscope::limit_overrun_error&) {
        in.end(who, "talks too much and was dropped", "* that line is too long; goodbye");
    } catch (const boost::system::system_error&) { in.end(who, "has lost the connection", ""); }
}

/// Sends what the member is to read. Waiting here is what fills the member's queue.
coro<> write_lines(chat& in, stream& to, member& who) {
    try {
        for (;;) {
            std::string lines = co_await who.outgoing.get();
            while (!who.outgoing.empty()) {
                lines += who.outgoing.get_nowait();
            }
            to.write(lines);
            co_await to.drain();
        }
    } catch (const boost::system::system_error&) { in.end(who, "has lost the connection", ""); }
}

/// Reads and writes side by side until the membership ends.
coro<> converse(coroscope::task_group& both, chat& in, stream& connection, member& who) {
    auto reading = both.create_task(read_lines(in, connection, who), who.name + " reads");
    auto writing = both.create_task(write_lines(in, connection, who), who.name + " writes");
    co_await who.ended.wait();
    reading.cancel();
    writing.cancel();
}

/// Reads away what the member is sending. A socket that is closed with unread bytes is reset, and
/// the last lines would be lost.
coro<> discard_input(stream& from) {
    constexpr std::size_t at_a_time = std::size_t{64} * 1024;
    constexpr int most_reads = 64;
    constexpr auto patience = std::chrono::milliseconds(100);
    try {
        for (int i = 0; i < most_reads; ++i) {
            const auto ignored = co_await coroscope::wait_for(from.read(at_a_time), patience);
            if (ignored.empty()) { break; }
        }
    } catch (const coroscope::timeout_error&) {  // NOLINT(bugprone-empty-catch)
        // Nothing comes any more.
    }
}

coro<> end_connection(stream& connection) {
    co_await discard_input(connection);
    connection.close();
    co_await connection.wait_closed();
}

/// Sends what is left, and closes.
coro<> say_goodbye(stream& connection, std::string last_lines, coroscope::duration time) {
    try {
        connection.write(last_lines);
        co_await coroscope::wait_for(end_connection(connection), time);
    } catch (const coroscope::timeout_error&) {
        connection.abort();
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The member is gone already.
    }
}

coro<> take_part(chat& in, stream& connection, coroscope::duration farewell_time) {
    const auto who = in.enter();
    if (who == nullptr) {
        co_await say_goodbye(connection, in.refusal() + '\n', farewell_time);
        co_return;
    }
    coroscope::task_group both;
    co_await both.run(converse(both, in, connection, *who));
    std::string last_lines;
    while (!who->outgoing.empty()) {
        last_lines += who->outgoing.get_nowait();
    }
    if (!who->farewell.empty()) { last_lines += who->farewell + '\n'; }
    co_await say_goodbye(connection, std::move(last_lines), farewell_time);
}

}  // namespace

coro<> serve_member(chat& in, stream connection, coroscope::duration farewell_time) {
    try {
        co_await take_part(in, connection, farewell_time);
    } catch (const coroscope::cancelled_error&) {
        connection.abort();
        throw;
    }
}

}  // namespace chat_server
