// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/detail/shown_value.hpp>

#include "task_report.hpp"

#include <boost/core/demangle.hpp>

#include <array>
#include <cstddef>

namespace coroscope::testkit::detail {
namespace {

constexpr std::size_t longest_text = 400;
constexpr std::size_t shown_end = 100;

[[nodiscard]] std::string escaped(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '"' || c == '\\') {
            (out += '\\') += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            ((out += "\\x") += digits[byte >> 4U]) += digits[byte & 0xfU];
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace

std::string quoted(std::string_view text) {
    if (text.size() <= longest_text) { return '"' + escaped(text) + '"'; }
    const auto left_out = text.size() - longest_text;
    return '"' + escaped(text.substr(0, longest_text - shown_end)) + "\" ("
           + std::to_string(left_out) + " bytes left out) \""
           + escaped(text.substr(text.size() - shown_end)) + '"';
}

std::string shown_duration(duration d) {
    return seconds(d);
}

std::string shown_type(const std::type_info& type) {
    return "a " + boost::core::demangle(type.name());
}

}  // namespace coroscope::testkit::detail
