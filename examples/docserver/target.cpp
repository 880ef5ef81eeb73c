// SPDX-License-Identifier: Apache-2.0
#include "target.hpp"

#include <optional>
#include <vector>

namespace docserver {
namespace {

constexpr int bad_request = 400;
constexpr int forbidden = 403;

[[nodiscard]] int hex_digit(char c) {
    if (c >= '0' && c <= '9') { return c - '0'; }
    if (c >= 'a' && c <= 'f') { return c - 'a' + 10; }
    if (c >= 'A' && c <= 'F') { return c - 'A' + 10; }
    return -1;
}

/// One part of a path; nothing if it is malformed.
[[nodiscard]] std::optional<std::string> decode(std::string_view part) {
    std::string decoded;
    for (std::size_t i = 0; i < part.size(); ++i) {
        char c = part[i];
        if (c == '%') {
            if (i + 2 >= part.size()) { return std::nullopt; }
            const int high = hex_digit(part[i + 1]);
            const int low = hex_digit(part[i + 2]);
            if (high < 0 || low < 0) { return std::nullopt; }
            c = static_cast<char>(high * 16 + low);
            if (c == '/') { return std::nullopt; }
            i += 2;
        }
        if (c == '\0') { return std::nullopt; }
        decoded += c;
    }
    return decoded;
}

/// The part behind `http://host`, without query and fragment; empty if there is no path.
[[nodiscard]] std::string_view path_of(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (target.substr(0, scheme.size()) == scheme) {
            const auto slash = target.find_first_of("/?#", scheme.size());
            target = slash == target.npos ? std::string_view("/") : target.substr(slash);
        }
    }
    target = target.substr(0, target.find_first_of("?#"));
    return target.substr(0, 1) == "/" ? target : std::string_view();
}

[[nodiscard]] target_path refuse(int status) {
    target_path refused;
    refused.refused = status;
    return refused;
}

}  // namespace

target_path decode_target(std::string_view target) {
    auto rest = path_of(target);
    if (rest.empty()) { return refuse(bad_request); }
    std::vector<std::string> parts;
    bool is_directory = true;
    while (!rest.empty()) {
        rest.remove_prefix(1);  // the slash
        const auto part = decode(rest.substr(0, rest.find('/')));
        if (!part) { return refuse(bad_request); }
        rest = rest.substr(std::min(rest.find('/'), rest.size()));
        is_directory = part->empty() || *part == "." || *part == "..";
        if (*part == "..") {
            if (parts.empty()) { return refuse(forbidden); }
            parts.pop_back();
        } else if (!is_directory) {
            parts.push_back(*part);
        }
    }
    target_path found;
    found.is_directory = is_directory;
    for (const auto& part : parts) {
        found.path += (found.path.empty() ? "" : "/") + part;
    }
    return found;
}

std::string percent_encode(std::string_view path) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : path) {
        if (plain.find(c) != plain.npos) {
            encoded += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            encoded += {'%', digits[byte / 16U], digits[byte % 16U]};
        }
    }
    return encoded;
}

}  // namespace docserver
