// SPDX-License-Identifier: Apache-2.0
#include "address_space.hpp"

#include <algorithm>
#include <array>

namespace coroscope::profiler_server {

std::string address_space::text_at(std::uint64_t address, std::size_t longest) const {
    std::string text;
    std::array<char, 128> piece{};
    while (text.size() < longest) {
        const auto wanted = std::min(piece.size(), longest - text.size());
        const auto got =
            read(address + text.size(), std::as_writable_bytes(std::span(piece).first(wanted)));
        const char* const end = piece.data() + got;
        const char* const zero = std::find<const char*>(piece.data(), end, '\0');
        text.append(static_cast<const char*>(piece.data()), zero);
        if (zero != end) { return text; }
        if (got < wanted) { return {}; }
    }
    return text;
}

}  // namespace coroscope::profiler_server
