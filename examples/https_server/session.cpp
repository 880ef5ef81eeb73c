// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "answer.hpp"
#include "serving/receive.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <iostream>

namespace https_server {
namespace {

using coroscope::coro;
using coroscope::stream;
using serving::arrival;
using serving::receive;

/// Waits for the first bytes of a request; a server that stops closes the connection meanwhile.
coro<arrival> receive_first(service& s, stream& connection, std::string& input) {
    if (s.stopping) { co_return arrival::end; }
    s.idle.insert(&connection);
    struct leaving {
        leaving(service& in, stream& which) : set(in.idle), entry(&which) {}
        leaving(const leaving&) = delete;
        leaving& operator=(const leaving&) = delete;
        ~leaving() { set.erase(entry); }
        std::set<stream*>& set;
        stream* entry;
    };
    const leaving scope(s, connection);
    co_return co_await receive(connection, input, s.options.keep_alive_timeout);
}

enum class outcome { complete, refused, over };

/// Reads one request. `refusal` is set where it is refused.
coro<outcome> receive_request(service& s, stream& connection, std::string& input,
                              request_reader& reader, http::status& refusal) {
    if (input.empty()) {
        const auto first = co_await receive_first(s, connection, input);
        if (first != arrival::bytes) { co_return outcome::over; }
    }
    auto& loop = coroscope::get_running_loop();
    const auto deadline = coroscope::saturating_add(loop.time(), s.options.request_timeout);
    reader.put(input);
    while (!reader.is_complete() && !reader.refused()) {
        const auto left = std::max(deadline - loop.time(), coroscope::duration::zero());
        const auto more = co_await receive(connection, input, left);
        if (more == arrival::end) { co_return outcome::over; }
        if (more == arrival::timeout) {
            refusal = http::status::request_timeout;
            co_return outcome::refused;
        }
        reader.put(input);
    }
    refusal = reader.refused().value_or(http::status::ok);
    co_return reader.refused() ? outcome::refused : outcome::complete;
}

void log(const stream& connection, const request& r, http::status status) {
    std::cerr << connection.remote_endpoint() << " \"" << r.method_string() << ' ' << r.target()
              << "\" " << static_cast<unsigned>(status) << std::endl;
}

/// Receives a request and answers it; false if it was the last one.
coro<bool> serve_request(service& s, stream& connection, std::string& input) {
    request_reader reader(s.options.limits);
    auto refusal = http::status::ok;
    const auto got = co_await receive_request(s, connection, input, reader, refusal);
    if (got == outcome::over) { co_return false; }
    const auto& r = reader.understood();
    auto made =
        got == outcome::refused ? refuse(refusal) : answer(r, coroscope::facts_of(connection));
    if (s.stopping) { made.keep_alive(false); }
    const bool goes_on = made.keep_alive();
    log(connection, r, made.result());
    connection.write(to_bytes(std::move(made), r.method()));
    co_await coroscope::wait_for(connection.drain(), s.options.write_timeout);
    co_return goes_on;
}

coro<> serve_requests(service& s, stream& connection) {
    std::string input;
    bool goes_on = true;
    while (goes_on) {
        goes_on = co_await serve_request(s, connection, input);
    }
    connection.close();
    co_await connection.wait_closed();  // the last response is on its way until then
}

}  // namespace

coro<> serve_connection(service& s, stream connection) {
    try {
        co_await serve_requests(s, connection);
    } catch (const coroscope::cancelled_error&) {
        connection.abort();
        throw;
    } catch (const std::exception& e) {  // a client that left, or takes nothing
        std::cerr << connection.remote_endpoint() << " lost: " << e.what() << std::endl;
        connection.abort();
    }
}

}  // namespace https_server
