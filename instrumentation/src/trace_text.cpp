// SPDX-License-Identifier: Apache-2.0
#include "trace_text.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <unistd.h>

namespace coroscope::instrumentation {
namespace {

/// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with none.
[[nodiscard]] std::size_t sequence_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned>(static_cast<unsigned char>(text[i]));
    };
    const auto first = byte(0);
    const std::size_t length = first < 0x80U                     ? 1
                               : first >= 0xc2U && first < 0xe0U ? 2
                               : first >= 0xe0U && first < 0xf0U ? 3
                               : first >= 0xf0U && first < 0xf5U ? 4
                                                                 : 0;
    if (length > text.size()) { return 0; }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) { return 0; }
    }
    // Longer than needed, a surrogate, beyond the last code point: told by the second byte.
    const bool wrong = (first == 0xe0U && byte(1) < 0xa0U) || (first == 0xedU && byte(1) >= 0xa0U)
                       || (first == 0xf0U && byte(1) < 0x90U)
                       || (first == 0xf4U && byte(1) >= 0x90U);
    return wrong ? 0 : length;
}

[[nodiscard]] bool is_plain(char c) noexcept {
    return c >= ' ' && c < '\x7f' && c != '"' && c != '\\';
}

}  // namespace

void descriptor_sink::take(std::string_view text) noexcept {
    while (!text.empty() && error_ == 0) {
        const auto written = ::write(descriptor_, text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            error_ = errno;
        }
    }
}

void trace_text::flush() {
    to_.take({buffer_.data(), used_});
    used_ = 0;
}

void trace_text::put(char c) {
    if (used_ == buffer_.size()) { flush(); }
    buffer_[used_++] = c;
}

trace_text& trace_text::raw(std::string_view text) {
    while (!text.empty()) {
        if (used_ == buffer_.size()) { flush(); }
        const auto part = std::min(text.size(), buffer_.size() - used_);
        std::copy_n(text.begin(), part, buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
        used_ += part;
        text.remove_prefix(part);
    }
    return *this;
}

trace_text& trace_text::number(std::uint64_t value) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

trace_text& trace_text::microseconds(std::chrono::nanoseconds d) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0));
    number(value / 1000);
    const auto rest = static_cast<unsigned>(value % 1000);
    put('.');
    put(static_cast<char>('0' + rest / 100));
    put(static_cast<char>('0' + rest / 10 % 10));
    put(static_cast<char>('0' + rest % 10));
    return *this;
}

void trace_text::put_control(unsigned char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    raw("\\u00");
    put(digits[c >> 4U]);
    put(digits[c & 0xfU]);
}

trace_text& trace_text::escaped(std::string_view text) {
    while (!text.empty()) {
        const auto plain = static_cast<std::size_t>(
            std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
        raw(text.substr(0, plain));
        text.remove_prefix(plain);
        if (!text.empty()) { text.remove_prefix(put_special(text)); }
    }
    return *this;
}

/// Puts the first character, which is not plain; returns how many bytes it had.
std::size_t trace_text::put_special(std::string_view text) {
    const auto length = sequence_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (length == 0) {
        raw("\\ufffd");
        return 1;
    }
    if (c < 0x20U) {
        put_control(c);
    } else {
        if (c == '"' || c == '\\') { put('\\'); }
        raw(text.substr(0, length));
    }
    return length;
}

trace_text& trace_text::place(const await_site& site) {
    if (site.line() == 0) { return raw("?"); }
    return escaped(site.file_name()).raw(":").number(site.line());
}

trace_text& trace_text::short_place(const await_site& site) {
    if (site.line() == 0) { return raw("?"); }
    std::string_view file = site.file_name();
    file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
    return escaped(file).raw(":").number(site.line());
}

}  // namespace coroscope::instrumentation
