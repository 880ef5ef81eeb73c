// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>

#include <string>

namespace serving {

/// What came of waiting for bytes.
enum class arrival { bytes, end, timeout };

/// Adds what comes next to `input`, 16 KiB at most. The arguments outlive the coroutine.
[[nodiscard]] coroscope::coro<arrival> receive(coroscope::stream& connection, std::string& input,
                                               coroscope::duration timeout);

}  // namespace serving
