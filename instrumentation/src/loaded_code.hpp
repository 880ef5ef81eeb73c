// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compilation_units.hpp"
#include "expanded_calls.hpp"

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace coroscope::instrumentation::detail {

/// The debug information of what this process has loaded, read as far as it is asked for.
/// **Thread safety**: none.
class loaded_code {
public:
    loaded_code() { list_modules(); }

    /// Null: nothing is loaded there. Where nothing was known of it the modules are listed anew,
    /// and all that was returned before is gone.
    [[nodiscard]] Dwfl_Module* module_of(std::uintptr_t address);
    /// The one with the variable that lies there.
    [[nodiscard]] Dwfl_Module* module_of_data(std::uintptr_t address);
    /// `bias`: what to subtract from an address to get the module's own.
    [[nodiscard]] bool find_unit(Dwfl_Module* module, std::uintptr_t address, Dwarf_Die& unit,
                                 Dwarf_Addr& bias);
    [[nodiscard]] expanded_calls& calls_in(Dwarf_Die unit);

private:
    struct dwfl_deleter {
        void operator()(Dwfl* session) const noexcept { dwfl_end(session); }
    };

    void list_modules();

    std::unique_ptr<Dwfl, dwfl_deleter> session_;  ///< null: the modules cannot be listed
    std::unordered_map<Dwfl_Module*, compilation_units> units_;
    std::unordered_map<const void*, expanded_calls> calls_;  ///< of units, by their addresses
};

}  // namespace coroscope::instrumentation::detail
