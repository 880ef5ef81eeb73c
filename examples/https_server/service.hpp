// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "request_reader.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/tls.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

namespace https_server {

/// What the command line says; `https_server --help` explains each.
struct settings {
    std::string host = "127.0.0.1";
    std::uint16_t port = 4433;
    std::string certificate;
    std::string key;
    request_limits limits;
    std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds keep_alive_timeout = std::chrono::seconds(15);
    std::chrono::nanoseconds request_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds write_timeout = std::chrono::seconds(30);
    std::chrono::nanoseconds grace = std::chrono::seconds(10);
};

/// What all connections share.
struct service {
    explicit service(settings chosen) : options(std::move(chosen)) {}

    settings options;
    std::set<coroscope::stream*> idle;  ///< connections between two requests
    bool stopping = false;
};

/// Serves until SIGINT or SIGTERM comes; then accepts no more, closes idle connections, lets
/// requests in flight finish, and cuts off what is left after the grace time or at a second signal.
/// `ready` is told the port.
[[nodiscard]] coroscope::coro<> serve(service& s, std::function<void(std::uint16_t)> ready);

}  // namespace https_server
