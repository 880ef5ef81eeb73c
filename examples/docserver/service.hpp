// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "session.hpp"

#include <coroscope/runtime/coro.hpp>

#include <cstdint>
#include <functional>

namespace docserver {

/// Serves until SIGINT or SIGTERM comes; then stops accepting, lets requests in flight finish, and
/// cuts off what is left after the grace time or at a second signal. `ready` is told the port.
/// Throws `boost::system::system_error` if it cannot listen.
[[nodiscard]] coroscope::coro<> serve(service& s, std::function<void(std::uint16_t)> ready);

}  // namespace docserver
