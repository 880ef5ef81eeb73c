// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace docserver {

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
[[nodiscard]] std::string to_http_date(std::time_t seconds);

/// The same back; nothing for anything else, the two obsolete forms of dates included.
[[nodiscard]] std::optional<std::time_t> parse_http_date(std::string_view text);

}  // namespace docserver
