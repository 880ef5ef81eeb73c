// SPDX-License-Identifier: Apache-2.0
#include "http_date.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace docserver {
namespace {

constexpr std::array<std::string_view, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::string to_http_date(std::time_t seconds) {
    std::tm t = {};
    ::gmtime_r(&seconds, &t);
    std::array<char, 64> text = {};
    // Not strftime, which would follow the locale.
    std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                  days[static_cast<std::size_t>(t.tm_wday)].data(), t.tm_mday,
                  months[static_cast<std::size_t>(t.tm_mon)].data(), t.tm_year + 1900, t.tm_hour,
                  t.tm_min, t.tm_sec);
    return text.data();
}

std::optional<std::time_t> parse_http_date(std::string_view text) {
    constexpr std::size_t length = 29;
    if (text.size() != length) { return std::nullopt; }
    const auto month = std::find(months.begin(), months.end(), text.substr(8, 3));
    if (month == months.end()) { return std::nullopt; }
    std::tm t = {};
    const auto read = [&](std::size_t from, std::size_t digits) {
        int value = 0;
        for (const char c : text.substr(from, digits)) {
            value = c >= '0' && c <= '9' && value >= 0 ? value * 10 + (c - '0') : -1;
        }
        return value;
    };
    t.tm_mday = read(5, 2);
    t.tm_mon = static_cast<int>(month - months.begin());
    t.tm_year = read(12, 4) - 1900;
    t.tm_hour = read(17, 2);
    t.tm_min = read(20, 2);
    t.tm_sec = read(23, 2);
    const auto seconds = ::timegm(&t);
    // Whatever was out of range or not a digit comes out different.
    if (to_http_date(seconds) != text) { return std::nullopt; }
    return seconds;
}

}  // namespace docserver
