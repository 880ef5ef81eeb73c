// SPDX-License-Identifier: Apache-2.0
#include "compilation_units.hpp"

#include <algorithm>

namespace coroscope::instrumentation::detail {

compilation_units::compilation_units(Dwfl_Module* module) {
    Dwarf_Die* unit = nullptr;
    while ((unit = dwfl_module_nextcu(module, unit, &bias_)) != nullptr) {
        const auto index = static_cast<std::uint32_t>(units_.size());
        units_.push_back(*unit);
        Dwarf_Addr base = 0;
        Dwarf_Addr low = 0;
        Dwarf_Addr high = 0;
        std::ptrdiff_t offset = 0;
        while ((offset = dwarf_ranges(unit, offset, &base, &low, &high)) > 0) {
            // Parts that the linker dropped begin at 0.
            if (low != 0 && low < high) { ranges_.push_back({low, high, index}); }
        }
    }
    std::sort(ranges_.begin(), ranges_.end(),
              [](const unit_range& a, const unit_range& b) { return a.low < b.low; });
}

bool compilation_units::find(std::uintptr_t address, Dwarf_Die& unit, Dwarf_Addr& bias) const {
    const auto own = address - bias_;
    auto after = std::upper_bound(
        ranges_.begin(), ranges_.end(), own,
        [](Dwarf_Addr value, const unit_range& range) { return value < range.low; });
    if (after == ranges_.begin()) { return false; }
    --after;
    if (own >= after->high) { return false; }
    unit = units_[after->unit];
    bias = bias_;
    return true;
}

}  // namespace coroscope::instrumentation::detail
