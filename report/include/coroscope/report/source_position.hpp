// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <source_location>
#include <string>

namespace coroscope::report {

/// A line of somebody's source. Empty (no file) where the position is not known.
struct source_position {
    std::string file;        ///< as the compiler named it
    std::uint32_t line = 0;  ///< 1-based; 0 is unknown
    std::string function;    ///< as the compiler names it, signature and all

    [[nodiscard]] bool empty() const noexcept { return file.empty(); }

    [[nodiscard]] static source_position from(const std::source_location& location);

    friend bool operator==(const source_position&, const source_position&) = default;
};

/// `file:line`, the form that editors and CI logs turn into a link; `(unknown)` where empty.
[[nodiscard]] std::string to_string(const source_position& position);

[[nodiscard]] nlohmann::json to_json(const source_position& position);
[[nodiscard]] source_position read_source_position(const json_view& json);

}  // namespace coroscope::report
