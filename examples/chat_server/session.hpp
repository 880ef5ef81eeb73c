// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "chat.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>

namespace chat_server {

/// Lets whoever is at the other end of a connection take part, until they leave or have to go. The
/// last lines and the farewell are sent for at most `farewell_time`, then the connection is cut.
[[nodiscard]] coroscope::coro<> serve_member(chat& in, coroscope::stream connection,
                                             coroscope::duration farewell_time);

}  // namespace chat_server
