// SPDX-License-Identifier: Apache-2.0
#include "content_type.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace docserver {
namespace {

constexpr std::string_view plain_text = "text/plain; charset=utf-8";
constexpr std::string_view unknown = "application/octet-stream";

constexpr std::array<std::pair<std::string_view, std::string_view>, 40> types = {{
    {"avif", "image/avif"},
    {"bz2", "application/x-bzip2"},
    {"c", plain_text},
    {"cc", plain_text},
    {"conf", plain_text},
    {"cpp", plain_text},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"epub", "application/epub+zip"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", plain_text},
    {"hpp", plain_text},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"log", plain_text},
    {"md", "text/markdown; charset=utf-8"},
    {"pdf", "application/pdf"},
    {"pl", plain_text},
    {"png", "image/png"},
    {"ps", "application/postscript"},
    {"py", plain_text},
    {"rst", plain_text},
    {"sh", plain_text},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"txt", plain_text},
    {"wasm", "application/wasm"},
    {"webp", "image/webp"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
}};

}  // namespace

std::string_view content_type(std::string_view file_name) {
    const auto dot = file_name.rfind('.');
    if (dot == file_name.npos || dot == 0) { return plain_text; }
    std::string extension(file_name.substr(dot + 1));
    // `README.Debian` and `NEWS.3` are texts: the documentation has many such.
    if (extension == "Debian" || extension.find_first_not_of("0123456789") == extension.npos) {
        return plain_text;
    }
    std::transform(extension.begin(), extension.end(), extension.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto* found = std::find_if(types.begin(), types.end(),
                                     [&](const auto& type) { return type.first == extension; });
    return found == types.end() ? unknown : found->second;
}

bool is_text(std::string_view type) {
    if (type.substr(0, 5) == "text/") { return true; }
    constexpr std::array<std::string_view, 6> others = {
        "application/json",       "application/xml",  "application/xhtml+xml",
        "application/postscript", "application/wasm", "image/svg+xml"};
    return std::find(others.begin(), others.end(), type) != others.end();
}

}  // namespace docserver
