// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <cstdint>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Which part of a module's debug information describes an address. Compilers may write an index of
/// that; clang does not, and the library looks nowhere else.
class compilation_units {
public:
    /// Reads the ranges of all units. Empty where there is no debug information.
    explicit compilation_units(Dwfl_Module* module);

    /// `bias`: what to subtract from an address to get the module's own.
    [[nodiscard]] bool find(std::uintptr_t address, Dwarf_Die& unit, Dwarf_Addr& bias) const;

private:
    struct unit_range {
        Dwarf_Addr low;
        Dwarf_Addr high;
        std::uint32_t unit;
    };
    Dwarf_Addr bias_ = 0;
    std::vector<Dwarf_Die> units_;
    std::vector<unit_range> ranges_;  // by their beginnings
};

}  // namespace coroscope::instrumentation::detail
