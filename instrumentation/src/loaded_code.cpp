// SPDX-License-Identifier: Apache-2.0
#include "loaded_code.hpp"

#include <link.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {
namespace {

struct segment_search {
    std::uintptr_t address = 0;
    std::uintptr_t begin = 0;  ///< of the segment around it
};

int find_segment(dl_phdr_info* object, std::size_t, void* search) {
    auto& sought = *static_cast<segment_search*>(search);
    for (ElfW(Half) i = 0; i < object->dlpi_phnum; ++i) {
        const auto& header = object->dlpi_phdr[i];
        const auto begin = object->dlpi_addr + header.p_vaddr;
        if (header.p_type != PT_LOAD || sought.address < begin
            || sought.address - begin >= header.p_memsz) {
            continue;
        }
        sought.begin = begin;
        return 1;
    }
    return 0;
}

/// Where the segment around an address begins, of all that is loaded; 0: there is none.
[[nodiscard]] std::uintptr_t find_loaded_segment(std::uintptr_t address) noexcept {
    segment_search search{address, 0};
    ::dl_iterate_phdr(&find_segment, &search);
    return search.begin;
}

}  // namespace

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
    // What is taken for an address of code, on a stack without frame pointers, may be anything.
    if (find_loaded_segment(address) == 0) { return nullptr; }
    list_modules();
    return look();
}

// Variables that begin as zeros lie behind what is mapped from the file, where no module is found.
Dwfl_Module* loaded_code::module_of_data(std::uintptr_t address) {
    const auto begin = find_loaded_segment(address);
    return begin != 0 ? module_of(begin) : nullptr;
}

bool loaded_code::find_unit(Dwfl_Module* module, std::uintptr_t address, Dwarf_Die& unit,
                            Dwarf_Addr& bias) {
    return units_.try_emplace(module, module).first->second.find(address, unit, bias);
}

expanded_calls& loaded_code::calls_in(Dwarf_Die unit) {
    return calls_.try_emplace(unit.addr, unit).first->second;
}

}  // namespace coroscope::instrumentation::detail
