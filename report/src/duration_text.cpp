// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/duration_text.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>

namespace coroscope::report {

namespace {

struct unit {
    std::string_view name;
    std::int64_t nanoseconds;
};

constexpr std::array<unit, 6> units{{{"ns", 1},
                                     {"us", 1'000},
                                     {"ms", 1'000'000},
                                     {"s", 1'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"h", 3'600'000'000'000}}};

constexpr std::int64_t longest_duration = std::numeric_limits<std::int64_t>::max();

std::string_view take_digits(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && text[length] >= '0' && text[length] <= '9') {
        ++length;
    }
    const auto digits = text.substr(0, length);
    text.remove_prefix(length);
    return digits;
}

// Adds digit * scale, unless the sum would not fit.
bool add(std::int64_t& sum, std::int64_t digit, std::int64_t scale) {
    if (digit > (longest_duration - sum) / scale) { return false; }
    sum += digit * scale;
    return true;
}

std::optional<std::int64_t> scaled(std::string_view whole, std::string_view fraction,
                                   std::int64_t scale) {
    std::int64_t number = 0;
    for (const char digit : whole) {
        std::int64_t next = digit - '0';
        if (!add(next, number, 10)) { return std::nullopt; }
        number = next;
    }
    std::int64_t sum = 0;
    if (!add(sum, number, scale)) { return std::nullopt; }
    for (const char digit : fraction) {
        if (digit != '0' && scale % 10 != 0) { return std::nullopt; }
        scale = scale % 10 == 0 ? scale / 10 : 1;
        if (!add(sum, digit - '0', scale)) { return std::nullopt; }
    }
    return sum;
}

std::string two_units(std::int64_t whole, const char* big, std::int64_t part, const char* small) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%lld %s %02lld %s", static_cast<long long>(whole), big,
                  static_cast<long long>(part), small);
    return text.data();
}

std::string three_digits(double value, std::string_view unit_name) {
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f ", decimals, value);
    return text.data() + std::string(unit_name);
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    if (text == "0") { return std::chrono::nanoseconds(0); }
    const auto whole = take_digits(text);
    std::string_view fraction;
    if (!whole.empty() && text.starts_with('.')) {
        text.remove_prefix(1);
        fraction = take_digits(text);
        if (fraction.empty()) { return std::nullopt; }
    }
    for (const auto& [name, scale] : units) {
        if (!whole.empty() && text == name) {
            const auto count = scaled(whole, fraction, scale);
            return count ? std::optional(std::chrono::nanoseconds(*count)) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::string format_duration(std::chrono::nanoseconds duration) {
    const auto count = duration.count();
    if (count < 0) {
        return count == std::numeric_limits<std::int64_t>::min() ? "-292 years"
                                                                 : "-" + format_duration(-duration);
    }
    if (count < 1'000) { return count == 0 ? "0" : std::to_string(count) + " ns"; }
    const auto nanoseconds = static_cast<double>(count);
    if (nanoseconds < 999.5e3) { return three_digits(nanoseconds / 1e3, "us"); }
    if (nanoseconds < 999.5e6) { return three_digits(nanoseconds / 1e6, "ms"); }
    if (nanoseconds < 59.95e9) { return three_digits(nanoseconds / 1e9, "s"); }
    const auto seconds = (count - count % 1'000'000'000) / 1'000'000'000
                         + (count % 1'000'000'000 >= 500'000'000 ? 1 : 0);
    if (seconds < 3'600) { return two_units(seconds / 60, "m", seconds % 60, "s"); }
    if (seconds < 86'400) { return two_units(seconds / 3'600, "h", seconds / 60 % 60, "m"); }
    return two_units(seconds / 86'400, "d", seconds / 3'600 % 24, "h");
}

}  // namespace coroscope::report
