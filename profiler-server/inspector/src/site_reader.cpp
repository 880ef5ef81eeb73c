// SPDX-License-Identifier: Apache-2.0
#include "site_reader.hpp"

#include <coroscope/runtime/await_site.hpp>

#include <algorithm>

namespace coroscope::profiler_server {
namespace {

constexpr std::size_t longest_text = 4096;
constexpr std::uint64_t most_sites = 256;
constexpr std::uint64_t entry_bit = 1;

// What a std::source_location points to.
struct site_constant {
    std::uint64_t file;
    std::uint64_t function;
    std::uint32_t line;
    std::uint32_t column;
};

}  // namespace

report::source_position site_reader::read(std::uint64_t address) {
    if (address == 0) { return {}; }
    const auto found = space_.value_at<site_constant>(address);
    report::source_position position;
    if (found) { position.file = space_.text_at(found->file, longest_text); }
    if (position.file.empty()) {
        ++unreadable_;
        return {};
    }
    position.line = found->line;
    position.function = plain_function_name(space_.text_at(found->function, longest_text).c_str());
    return position;
}

const report::source_position& site_reader::site(std::uint64_t address) {
    const auto known = sites_.find(address);
    return known != sites_.end() ? known->second
                                 : sites_.emplace(address, read(address)).first->second;
}

const std::vector<std::uint64_t>& site_reader::sites_of(std::uint64_t entry) {
    if (const auto known = origins_.find(entry); known != origins_.end()) { return known->second; }
    const auto& header = layout_.header;
    const auto count = space_.value_at<std::uint64_t>(entry + header.origin_count_offset);
    std::vector<std::uint64_t> sites(std::min(count.value_or(0), most_sites));
    const auto room = std::as_writable_bytes(std::span(sites));
    sites.resize(space_.read(entry + header.origin_sites_offset, room) / sizeof(std::uint64_t));
    return origins_.emplace(entry, std::move(sites)).first->second;
}

std::vector<report::source_position> site_reader::origin(std::uint64_t origin) {
    if ((origin & entry_bit) == 0) { return {site(origin)}; }
    std::vector<report::source_position> positions;
    for (const auto address : sites_of(origin & ~entry_bit)) {
        positions.push_back(site(address));
    }
    return positions;
}

}  // namespace coroscope::profiler_server
