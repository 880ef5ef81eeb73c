// SPDX-License-Identifier: Apache-2.0
#include "live_heap.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace coroscope::testkit::detail {
namespace {

/// Frames above the allocation; what containers need of them varies.
constexpr std::size_t calls = 12;

[[nodiscard]] instrumentation::memory_profiler_options exact() {
    instrumentation::memory_profiler_options options;
    options.calls = calls;
    return options;
}

[[nodiscard]] bool has_any(std::string_view text, const auto& parts) {
    return std::ranges::any_of(
        parts, [text](std::string_view part) { return text.find(part) != text.npos; });
}

/// The line of the test's own code that allocated; empty if it was somebody else's.
[[nodiscard]] std::string own_line(const std::string& stack) {
    constexpr std::array strangers{
        std::string_view("catch2"),       std::string_view("gtest"),
        std::string_view("doctest"),      std::string_view("/coroscope/runtime/"),
        std::string_view("runtime/src/"), std::string_view("/coroscope/testkit/"),
        std::string_view("testkit/src/")};
    constexpr std::array containers{std::string_view("/usr/include/"),
                                    std::string_view("/usr/lib/"),
                                    std::string_view("/memory_hooks/src/")};
    std::istringstream lines(stack);
    std::string line;
    while (std::getline(lines, line)) {
        if (has_any(line, strangers)) { return {}; }
        if (!has_any(line, containers)) { return line == "?" ? std::string() : line; }
    }
    return {};
}

}  // namespace

live_heap::live_heap() : profiler_(exact()) {
    profiler_.start();
}

std::vector<std::string> live_heap::left_by(std::uint32_t loop_id) const {
    auto all = profiler_.snapshot();
    std::erase_if(all.places, [=](const auto& place) { return place.loop_id != loop_id; });
    instrumentation::memory_filter every;
    every.exclude.clear();
    std::vector<std::string> found;
    for (const auto& row : all.rows(instrumentation::memory_key::traceback, every)) {
        const auto blocks = row.amounts.live_blocks();
        const auto line = own_line(row.key);
        if (blocks <= 0 || line.empty()) { continue; }
        found.push_back(std::to_string(blocks) + (blocks == 1 ? " block (" : " blocks (")
                        + std::to_string(row.amounts.live_bytes()) + " bytes) allocated at "
                        + line);
    }
    return found;
}

}  // namespace coroscope::testkit::detail
