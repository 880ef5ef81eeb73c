// SPDX-License-Identifier: Apache-2.0
#include "address.hpp"

#include <charconv>

namespace coroscope::profiler_server::cli {

std::optional<address> parse_address(std::string_view text) {
    address result;
    const auto colon = text.rfind(':');
    auto port = text;
    if (colon != std::string_view::npos) {
        auto host = text.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) {
            host = host.substr(1, host.size() - 2);
        } else if (host.find(':') != std::string_view::npos) {
            return std::nullopt;
        }
        if (!host.empty()) {
            result.host = host;
        } else if (colon != 0) {
            return std::nullopt;
        }
        port = text.substr(colon + 1);
    }
    const char* const end = port.data() + port.size();
    const auto [stopped, error] = std::from_chars(port.data(), end, result.port);
    if (error != std::errc{} || stopped != end || result.port == 0) { return std::nullopt; }
    return result;
}

}  // namespace coroscope::profiler_server::cli
