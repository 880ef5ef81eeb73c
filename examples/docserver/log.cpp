// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace docserver {
namespace {

constexpr std::array<std::string_view, 4> level_names = {"error", "warning", "info", "debug"};

[[nodiscard]] std::string now_text() {
    const auto now = std::time(nullptr);
    std::tm t = {};
    ::gmtime_r(&now, &t);
    std::array<char, 32> text = {};
    const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &t);
    return {text.data(), size};
}

void write_line(std::string line) {
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
}

[[nodiscard]] std::string in_quotes(std::string_view text) {
    return text.empty() ? "\"-\"" : '"' + log_escape(text) + '"';
}

}  // namespace

std::string log_escape(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string escaped;
    for (const char c : text) {
        if (c >= ' ' && c < '\x7f' && c != '"' && c != '\\') {
            escaped += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            escaped += {'\\', 'x', digits[byte / 16U], digits[byte % 16U]};
        }
    }
    return escaped;
}

void log::write(log_level level, std::string_view text) const {
    if (level > least_) { return; }
    write_line(now_text() + ' ' + std::string(level_names[static_cast<std::size_t>(level)]) + ": "
               + std::string(text));
}

void log::access(std::string_view client, const request& r, const outcome& done,
                 std::chrono::nanoseconds took) const {
    if (log_level::info > least_) { return; }
    std::array<char, 32> seconds = {};
    std::snprintf(seconds.data(), seconds.size(), "%.6f",
                  std::chrono::duration<double>(took).count());
    const auto line = r.method + ' ' + r.target + (r.version == 10 ? " HTTP/1.0" : " HTTP/1.1");
    write_line(std::string(client) + " - - [" + now_text() + "] " + in_quotes(line) + ' '
               + std::to_string(done.status) + ' ' + std::to_string(done.body_bytes) + ' '
               + in_quotes(r.referer) + ' ' + in_quotes(r.user_agent) + ' ' + seconds.data());
}

}  // namespace docserver
