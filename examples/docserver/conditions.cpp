// SPDX-License-Identifier: Apache-2.0
#include "conditions.hpp"

#include "http_date.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace docserver {
namespace {

[[nodiscard]] std::string_view without_weakness(std::string_view tag) {
    return tag.substr(0, 2) == "W/" ? tag.substr(2) : tag;
}

/// Whether a comma-separated list of entity tags has this one, weakness aside.
[[nodiscard]] bool lists(std::string_view tags, std::string_view wanted) {
    while (!tags.empty()) {
        auto tag = tags.substr(0, tags.find(','));
        tags.remove_prefix(std::min(tag.size() + 1, tags.size()));
        const auto begin = std::min(tag.find_first_not_of(" \t"), tag.size());
        tag = tag.substr(begin, tag.find_last_not_of(" \t") + 1 - begin);
        if (tag == "*" || without_weakness(tag) == wanted) { return true; }
    }
    return false;
}

[[nodiscard]] std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) { return std::nullopt; }
    return value;
}

}  // namespace

bool is_not_modified(const request& r, std::string_view entity_tag, std::time_t modified) {
    if (!r.if_none_match.empty()) { return lists(r.if_none_match, entity_tag); }
    const auto since = parse_http_date(r.if_modified_since);
    return since && modified <= *since;
}

byte_range find_range(const request& r, std::uint64_t size, std::string_view entity_tag,
                      std::time_t modified) {
    constexpr std::string_view unit = "bytes=";
    byte_range range;
    const std::string_view text = r.range;
    const auto dash = text.find('-');
    if (text.substr(0, unit.size()) != unit || text.find(',') != text.npos || dash == text.npos) {
        return range;
    }
    if (!r.if_range.empty() && r.if_range != entity_tag && r.if_range != to_http_date(modified)) {
        return range;
    }
    const auto first_text = text.substr(unit.size(), dash - unit.size());
    const auto last_text = text.substr(dash + 1);
    const auto first = number(first_text);
    const auto last = number(last_text);
    if ((!first && !first_text.empty()) || (!last && !last_text.empty()) || (!first && !last)
        || (first && last && *last < *first)) {
        return range;  // malformed: to be ignored
    }
    if (first) {
        range.offset = *first;
        range.length = last ? std::min(*last, size - 1) - *first + 1 : size - *first;
    } else {
        range.length = std::min(*last, size);
        range.offset = size - range.length;
    }
    const bool outside = size == 0 || (first && *first >= size) || (!first && *last == 0);
    range.what = outside ? byte_range::kind::unsatisfiable : byte_range::kind::part;
    return range;
}

}  // namespace docserver
