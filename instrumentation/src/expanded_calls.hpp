// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elfutils/libdw.h>

#include <vector>

namespace coroscope::instrumentation::detail {

/// The functions of a compilation unit, and the calls in them that the compiler expanded in place.
/// libdw's own search goes through all of the unit for each address, which is milliseconds where
/// thousands are asked for. **Cost**: one such search when it is made, microseconds for each
/// address.
class expanded_calls {
public:
    explicit expanded_calls(Dwarf_Die unit);

    /// What an address belongs to, innermost first: expanded calls, and the function that they are
    /// in. Empty: no function of the unit. The address is the module's own.
    [[nodiscard]] std::vector<Dwarf_Die> scopes_at(Dwarf_Addr address) const;

    /// In which file an expanded call stands; null: not known.
    [[nodiscard]] const char* file_of(Dwarf_Die& call);

private:
    struct function_range {
        Dwarf_Addr low;
        Dwarf_Addr high;
        Dwarf_Die function;
    };
    void add_functions(Dwarf_Die parent);
    void add_function(Dwarf_Die function);
    void add_local_functions(Dwarf_Die within);
    Dwarf_Die unit_;
    std::vector<function_range> functions_;  // by their beginnings
};

}  // namespace coroscope::instrumentation::detail
