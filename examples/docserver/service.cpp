// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>

namespace docserver {
namespace {

using coroscope::coro;

coro<> cut_off_at_next_signal(boost::asio::signal_set& signals, coroscope::server& server) {
    co_await signals.async_wait(coroscope::use_coro);
    server.cancel_connections();
}

coro<> finish_requests(service& s, boost::asio::signal_set& signals, coroscope::server& server) {
    auto impatience = coroscope::get_running_loop().create_task(
        cut_off_at_next_signal(signals, server), "second signal");
    bool in_time = true;
    try {
        co_await coroscope::wait_for(server.wait_closed(), s.content.settings.grace);
    } catch (const coroscope::timeout_error&) { in_time = false; }
    if (!in_time) {
        s.logger.write(log_level::warning, "cutting off " + std::to_string(server.connections())
                                               + " connections after the grace time");
        server.cancel_connections();
        co_await server.wait_closed();
    }
    impatience.cancel();
}

}  // namespace

coro<> serve(service& s, std::function<void(std::uint16_t)> ready) {
    const auto& settings = s.content.settings;
    boost::asio::signal_set signals(coroscope::get_running_loop().io_context(), SIGINT, SIGTERM);
    const auto handler = [&s](coroscope::stream connection) {
        return serve_connection(s, std::move(connection));
    };
    auto server = co_await coroscope::start_server(handler, settings.host, settings.port);
    ready(server.port());
    co_await signals.async_wait(coroscope::use_coro);
    s.logger.write(log_level::info,
                   "stopping; connections: " + std::to_string(server.connections()));
    server.close();
    s.sessions.stop();
    co_await finish_requests(s, signals, server);
}

}  // namespace docserver
