// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "table_layout.hpp"

#include <coroscope/report/source_position.hpp>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace coroscope::profiler_server {

/// Reads what sites and origins refer to: constants of the program, so each is read once.
class site_reader {
public:
    site_reader(const address_space& space, const table_layout& layout)
        : space_(space),
          layout_(layout) {}

    /// Empty where there is none, or it cannot be read. Valid as long as the reader.
    [[nodiscard]] const report::source_position& site(std::uint64_t address);

    /// The sites of an origin, the call first.
    [[nodiscard]] std::vector<report::source_position> origin(std::uint64_t origin);

    /// Sites whose text could not be read.
    [[nodiscard]] std::size_t unreadable() const noexcept { return unreadable_; }

private:
    [[nodiscard]] report::source_position read(std::uint64_t address);
    [[nodiscard]] const std::vector<std::uint64_t>& sites_of(std::uint64_t entry);

    const address_space& space_;
    const table_layout& layout_;
    std::unordered_map<std::uint64_t, report::source_position> sites_;
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> origins_;
    std::size_t unreadable_ = 0;
};

}  // namespace coroscope::profiler_server
