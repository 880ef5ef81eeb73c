// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "serving/receive.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>

namespace docserver {
namespace {

using coroscope::coro;
using coroscope::stream;
using serving::arrival;
using serving::receive;

/// A connection as the place where responses go.
class connection_sink final : public response_sink {
public:
    connection_sink(stream& to, coroscope::duration timeout) : stream_(to), timeout_(timeout) {}

    void write(std::string_view bytes) override {
        begun_ = true;
        stream_.write(bytes);
    }
    [[nodiscard]] bool begun() const noexcept { return begun_; }

private:
    [[nodiscard]] coro<> wait_until_drained(coroscope::await_site where) override {
        return coroscope::wait_for(stream_.drain(where), timeout_, where);
    }

    stream& stream_;
    coroscope::duration timeout_;
    bool begun_ = false;
};

/// What came of waiting for a request.
struct reception {
    int refused = 0;       ///< the status to refuse it with
    bool is_over = false;  ///< no request: the client left, or was idle for too long
    request understood{};
};

coro<reception> receive_request(service& s, stream& connection, std::string& input,
                                session_list::entry& entry) {
    const auto& settings = s.content.settings;
    reception got;
    request_parser parser;
    if (input.empty()) {
        entry.set_idle(true);
        const auto first = co_await receive(connection, input, settings.keep_alive_timeout);
        entry.set_idle(false);
        got.is_over = first != arrival::bytes;
        if (got.is_over) { co_return got; }
    }
    auto& loop = coroscope::get_running_loop();
    const auto deadline = coroscope::saturating_add(loop.time(), settings.request_timeout);
    parser.put(input);
    while (!parser.is_complete() && parser.refused() == 0) {
        const auto left = std::max(deadline - loop.time(), coroscope::duration::zero());
        const auto more = co_await receive(connection, input, left);
        if (more == arrival::end) {
            got.is_over = true;
            co_return got;
        }
        if (more == arrival::timeout) {
            got.refused = 408;
            break;
        }
        parser.put(input);
    }
    if (got.refused == 0) { got.refused = parser.refused(); }
    got.understood = parser.take();
    co_return got;
}

/// Answers a request; what goes wrong becomes a 500, or cuts the connection off if a response has
/// begun.
coro<outcome> answer(service& s, request r, stream& connection) {
    connection_sink out(connection, s.content.settings.write_timeout);
    const auto handle = s.content.profiler.profile_time("handle_request", handle_request);
    try {
        co_return co_await handle(s.content, r, out);
    } catch (const coroscope::cancelled_error&) {
        throw;
    } catch (const boost::system::system_error&) {
        throw;  // the connection is lost
    } catch (const coroscope::timeout_error&) { throw; } catch (const std::exception& e) {
        s.logger.write(log_level::error, log_escape(r.target) + ": " + e.what());
        if (out.begun()) { throw; }
    }
    co_return refuse(std::move(r), 500, out);
}

/// Ends a connection so that the client gets the last response even if it is still sending: closing
/// a socket with unread bytes would be a reset.
coro<> close_politely(stream& connection) {
    constexpr int most_reads = 8;
    constexpr auto patience = std::chrono::seconds(1);
    connection.write_eof();
    std::string ignored;
    for (int i = 0; i < most_reads; ++i) {
        const auto more = co_await receive(connection, ignored, patience);
        if (more != arrival::bytes) { break; }
        ignored.clear();
    }
    connection.close();
}

coro<> serve_requests(service& s, stream& connection) {
    const auto& settings = s.content.settings;
    auto& loop = coroscope::get_running_loop();
    connection_sink out(connection, settings.write_timeout);
    if (s.sessions.size() >= settings.max_connections) {
        refuse(request(), 503, out);
        co_await close_politely(connection);
        co_return;
    }
    session_list::entry entry(s.sessions);
    std::string input;
    bool go_on = true;
    while (go_on) {
        auto got = co_await receive_request(s, connection, input, entry);
        if (got.is_over) { co_return; }
        const auto began = loop.time();
        outcome done;
        if (s.sessions.stopping()) { got.understood.keep_alive = false; }
        if (got.refused != 0) {
            done = refuse(got.understood, got.refused, out);
        } else {
            done = co_await answer(s, got.understood, connection);
        }
        s.logger.access(connection.remote_endpoint(), got.understood, done, loop.time() - began);
        go_on = done.keep_alive && !s.sessions.stopping();
    }
    co_await close_politely(connection);
}

}  // namespace

session_list::entry::entry(session_list& list) : list_(list), task_(coroscope::current_task()) {
    list_.entries_.emplace(task_.id(), this);
}

session_list::entry::~entry() {
    list_.entries_.erase(task_.id());
}

void session_list::stop() {
    stopping_ = true;
    for (auto& [id, e] : entries_) {
        if (e->idle_) { e->task_.cancel("the server is stopping"); }
    }
}

coro<> serve_connection(service& s, stream connection) {
    const auto client = connection.remote_endpoint();
    try {
        co_await serve_requests(s, connection);
    } catch (const coroscope::cancelled_error&) {
        connection.abort();
        throw;
    } catch (const std::exception& e) {
        s.logger.write(log_level::debug, client + ": " + e.what());
        connection.abort();
    }
}

}  // namespace docserver
