// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_state.hpp"

#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

/// An executable or shared object that is loaded into this process.
struct loaded_module {
    address_range range;          ///< empty: no module is there
    std::uintptr_t unwind_table;  ///< its `.eh_frame_hdr`; 0: none
};

/// The module at an address. Takes no lock, so that no thread that stands still in the dynamic
/// linker can stop the caller.
[[nodiscard]] loaded_module module_at(std::uintptr_t address) noexcept;

/// Copies bytes of a module, also those between variables, where sanitizers let nobody look.
void copy_from_module(void* to, std::uintptr_t from, std::size_t size) noexcept;

/// A value in a module's memory.
template <class T>
[[nodiscard]] T read_in_module(std::uintptr_t address) noexcept {
    T value;
    copy_from_module(&value, address, sizeof value);
    return value;
}

/// What the instruction before a return address calls.
enum class call_target : std::uint8_t {
    none,       ///< it is no call, or calls another function
    indirect,   ///< it calls what a register or a variable says
    confirmed,  ///< it calls the function asked for
};

/// Whether the code before `return_address` calls the function that begins at `function`.
[[nodiscard]] call_target call_before(std::uintptr_t return_address,
                                      std::uintptr_t function) noexcept;

}  // namespace coroscope::instrumentation::detail
