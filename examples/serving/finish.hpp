// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stop_signals.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>

namespace serving {

/// Closes a server and waits for the connections it has. Those that are left after the grace time,
/// or at a second signal, are cancelled. True if none had to be.
[[nodiscard]] coroscope::coro<bool> finish(coroscope::server& server, stop_signals& signals,
                                           coroscope::duration grace);

}  // namespace serving
