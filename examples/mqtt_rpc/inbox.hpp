// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/queue.hpp>

#include <exception>
#include <string>

namespace mqtt_rpc {

/// What comes on some topics, for a task that takes one message after the other.
/// **Thread safety**: the loop's thread only. **Lifetime**: see `bus`.
class inbox {
public:
    explicit inbox(bus& from);
    inbox(const inbox&) = delete;
    inbox& operator=(const inbox&) = delete;

    [[nodiscard]] coroscope::coro<> subscribe(std::string topic);
    /// Waits for the next message. Throws `bus_lost` when there is none and none will come.
    [[nodiscard]] coroscope::coro<message> next();

private:
    bus& bus_;
    coroscope::queue<message> waiting_;
    std::exception_ptr lost_;
};

}  // namespace mqtt_rpc
