// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace coroscope::report {

/// The table of an enumeration's names in JSON, first match wins.
template <typename Enum, std::size_t Count>
using enumerator_names = std::array<std::pair<Enum, const char*>, Count>;

template <typename Enum, std::size_t Count>
std::string_view name_of(const enumerator_names<Enum, Count>& names, Enum value) {
    for (const auto& [enumerator, name] : names) {
        if (enumerator == value) { return name; }
    }
    return "unknown";
}

/// The enumerator that a JSON string names; an error that lists the names otherwise.
template <typename Enum, std::size_t Count>
Enum read_enumerator(const enumerator_names<Enum, Count>& names, const json_view& json) {
    const auto text = json.text();
    std::string known;
    for (const auto& [enumerator, name] : names) {
        if (text == name) { return enumerator; }
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    json.fail("one of " + known);
}

}  // namespace coroscope::report
