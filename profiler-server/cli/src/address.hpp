// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coroscope::profiler_server::cli {

struct address {
    std::string host = "127.0.0.1";
    std::uint16_t port = 1234;
};

/// Reads `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; nothing where the text is none of these.
[[nodiscard]] std::optional<address> parse_address(std::string_view text);

}  // namespace coroscope::profiler_server::cli
