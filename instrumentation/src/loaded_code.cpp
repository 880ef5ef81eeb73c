// SPDX-License-Identifier: Apache-2.0
#include "loaded_code.hpp"

#include <unistd.h>

namespace coroscope::instrumentation::detail {

void loaded_code::list_modules() {
    static const Dwfl_Callbacks callbacks{dwfl_linux_proc_find_elf, dwfl_standard_find_debuginfo,
                                          nullptr, nullptr};
    units_.clear();
    calls_.clear();
    session_.reset(dwfl_begin(&callbacks));
    if (session_ == nullptr) { return; }
    dwfl_report_begin(session_.get());
    const bool found = dwfl_linux_proc_report(session_.get(), ::getpid()) == 0;
    dwfl_report_end(session_.get(), nullptr, nullptr);
    if (!found) { session_.reset(); }
}

Dwfl_Module* loaded_code::module_of(std::uintptr_t address) {
    const auto look = [&] {
        return session_ != nullptr ? dwfl_addrmodule(session_.get(), address) : nullptr;
    };
    if (auto* const module = look(); module != nullptr) { return module; }
    list_modules();
    return look();
}

bool loaded_code::find_unit(Dwfl_Module* module, std::uintptr_t address, Dwarf_Die& unit,
                            Dwarf_Addr& bias) {
    return units_.try_emplace(module, module).first->second.find(address, unit, bias);
}

expanded_calls& loaded_code::calls_in(Dwarf_Die unit) {
    return calls_.try_emplace(unit.addr, unit).first->second;
}

}  // namespace coroscope::instrumentation::detail
