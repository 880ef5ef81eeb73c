// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <ostream>
#include <vector>

namespace coroscope::profiler_server::cli {

template <typename Value>
nlohmann::json array_of(const std::vector<Value>& values) {
    auto array = nlohmann::json::array();
    for (const auto& value : values) {
        array.push_back(to_json(value));
    }
    return array;
}

/// For people and programs: indented, and bytes that are not UTF-8 replaced.
inline void print_json(std::ostream& out, const nlohmann::json& json) {
    out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

}  // namespace coroscope::profiler_server::cli
