// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace mqtt_rpc {

enum class role { all, registrar, service, client };

struct settings {
    std::string host = "localhost";
    std::uint16_t port = 1883;
    role plays = role::all;
    std::chrono::nanoseconds register_after = std::chrono::seconds(3);
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);
};

/// A registrar or a service runs until it is cancelled; a client, and all three together, until
/// the call has been answered. Throws the first failure of any of them.
[[nodiscard]] coroscope::coro<> play(const settings& chosen);

}  // namespace mqtt_rpc
