// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace coroscope::profiler_server::protocol {

/// Of the requests and replies. Grows when an old client would misread a reply; new commands and
/// new members do not count.
inline constexpr int protocol_version = 1;

/// Of this library: `0.1.0`.
[[nodiscard]] std::string_view library_version();

}  // namespace coroscope::profiler_server::protocol
