// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elfutils/libdw.h>

#include <vector>

namespace coroscope::instrumentation::detail {

/// The calls of a compilation unit that the compiler expanded in place. libdw's own search goes
/// through all of the unit for each address, which is milliseconds where thousands are asked for.
/// **Cost**: one such search when it is made, microseconds for each address.
class expanded_calls {
public:
    explicit expanded_calls(Dwarf_Die unit);

    /// In which files the calls stand that the code at an address was expanded for, innermost
    /// first; null: not known. The address is the module's own.
    [[nodiscard]] std::vector<const char*> files_at(Dwarf_Addr address);

private:
    struct function_range {
        Dwarf_Addr low;
        Dwarf_Addr high;
        Dwarf_Die function;
    };
    void add_functions(Dwarf_Die parent);
    [[nodiscard]] const char* file_of(Dwarf_Die& call);

    Dwarf_Die unit_;
    std::vector<function_range> functions_;  // by their beginnings
};

}  // namespace coroscope::instrumentation::detail
