// SPDX-License-Identifier: Apache-2.0
#include "compression.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <stdexcept>

#include <sched.h>
#include <sys/resource.h>

namespace docserver {
namespace {

constexpr int gzip_window_bits = MAX_WBITS + 16;
constexpr int default_memory = 8;

[[nodiscard]] Bytef* input_of(std::string_view bytes) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write there
}

[[nodiscard]] std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view lower) {
    if (a.size() != lower.size()) { return false; }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (std::tolower(static_cast<unsigned char>(a[i])) != lower[i]) { return false; }
    }
    return true;
}

/// The weight of `name;q=0.5`: 1 if there is none.
[[nodiscard]] double weight_of(std::string_view parameters) {
    const auto q = parameters.find("q=");
    if (q == parameters.npos) { return 1.0; }
    return std::strtod(std::string(parameters.substr(q + 2)).c_str(), nullptr);
}

}  // namespace

std::string gzip_compress(std::string_view content, int level) {
    z_stream z = {};
    if (::deflateInit2(&z, level, Z_DEFLATED, gzip_window_bits, default_memory, Z_DEFAULT_STRATEGY)
        != Z_OK) {
        throw std::runtime_error("zlib cannot begin to compress");
    }
    std::string packed(::deflateBound(&z, content.size()), '\0');
    z.next_in = input_of(content);
    z.avail_in = static_cast<uInt>(content.size());
    z.next_out = reinterpret_cast<Bytef*>(packed.data());
    z.avail_out = static_cast<uInt>(packed.size());
    const int result = ::deflate(&z, Z_FINISH);
    packed.resize(z.total_out);
    ::deflateEnd(&z);
    if (result != Z_STREAM_END) { throw std::runtime_error("zlib cannot compress this"); }
    packed.shrink_to_fit();  // the bound is several times as large
    return packed;
}

std::string gzip_decompress(std::string_view packed) {
    z_stream z = {};
    if (::inflateInit2(&z, gzip_window_bits) != Z_OK) {
        throw std::runtime_error("zlib cannot begin to decompress");
    }
    std::string content;
    std::array<char, 16 * 1024> part;
    z.next_in = input_of(packed);
    z.avail_in = static_cast<uInt>(packed.size());
    int result = Z_OK;
    while (result == Z_OK) {
        z.next_out = reinterpret_cast<Bytef*>(part.data());
        z.avail_out = part.size();
        result = ::inflate(&z, Z_NO_FLUSH);
        content.append(part.data(), part.size() - z.avail_out);
    }
    ::inflateEnd(&z);
    if (result != Z_STREAM_END) { throw std::runtime_error("this is not gzip, or cut off"); }
    return content;
}

bool accepts_gzip(std::string_view header) {
    bool any = false;
    while (!header.empty()) {
        const auto item = header.substr(0, header.find(','));
        header.remove_prefix(std::min(item.size() + 1, header.size()));
        const auto name = trimmed(item.substr(0, item.find(';')));
        const auto parameters = item.substr(std::min(item.find(';'), item.size()));
        if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) {
            return weight_of(parameters) > 0;
        }
        if (name == "*") { any = weight_of(parameters) > 0; }
    }
    return any;
}

void lower_thread_priority() noexcept {
    // On Linux both are the calling thread's own. A little lower only: a thread that hardly ever
    // runs (SCHED_IDLE) would sooner or later be caught holding a lock that the loop needs. Where
    // it is refused, things go on as they are.
    constexpr int less_urgent = 5;
    const sched_param none = {};
    ::sched_setscheduler(0, SCHED_BATCH, &none);
    ::setpriority(PRIO_PROCESS, 0, less_urgent);
}

}  // namespace docserver
