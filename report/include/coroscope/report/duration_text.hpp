// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace coroscope::report {

/// Reads `5ms`, `100us`, `1.5s`, `250ns`, `2m`, `1h`, or `0`: a decimal number and its unit,
/// nothing else.
///
/// Nothing is guessed: no sign, no space, no exponent, no number without a unit (but `0`), nothing
/// below a nanosecond, nothing over 292 years. Returns nothing where the text is not such a
/// duration.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// A duration for people, three significant digits: `0`, `812 ns`, `5.21 ms`, `1.50 s`, `2 m 05 s`,
/// `3 h 12 m`.
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace coroscope::report
