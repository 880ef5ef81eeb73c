// SPDX-License-Identifier: Apache-2.0
#include "code_map.hpp"

#include <dlfcn.h>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::uintptr_t longest_call = 8;  // bytes

[[nodiscard]] std::uint8_t byte_at(std::uintptr_t address) noexcept {
    return read_in_module<std::uint8_t>(address);
}

/// The address in the instruction's last four bytes, relative to its end.
[[nodiscard]] std::uintptr_t relative_operand(std::uintptr_t end) noexcept {
    const auto offset = read_in_module<std::int32_t>(end - 4);
    return end + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(offset));
}

/// Where a jump through the procedure linkage table goes; what it was given, if that is no such.
[[nodiscard]] std::uintptr_t through_linkage_table(std::uintptr_t code) noexcept {
    constexpr std::uint32_t endbr64 = 0xfa1e0ff3;
    const auto module = module_at(code);
    if (module.range.high < code + 16) { return code; }
    auto at = code;
    if (read_in_module<std::uint32_t>(at) == endbr64) { at += 4; }
    if (byte_at(at) == 0xf2) { ++at; }  // bnd
    if (byte_at(at) == 0xe9) { return relative_operand(at + 5); }
    if (byte_at(at) != 0xff || byte_at(at + 1) != 0x25) { return code; }
    const auto slot = relative_operand(at + 6);
    return module_at(slot).range.contains(slot) ? read_in_module<std::uintptr_t>(slot) : code;
}

/// `call` through a register or memory: `ff /2`, with or without a prefix, two to seven bytes.
[[nodiscard]] bool is_indirect_call(std::uintptr_t end) noexcept {
    for (std::uintptr_t length = 2; length <= 7; ++length) {
        const auto at = end - length;
        if (byte_at(at) == 0xff && ((byte_at(at + 1) >> 3U) & 7U) == 2) { return true; }
    }
    return false;
}

}  // namespace

// Byte by byte: sanitizers put a checking function in the place of memcpy.
__attribute__((no_sanitize("address"))) void copy_from_module(void* to, std::uintptr_t from,
                                                              std::size_t size) noexcept {
    const auto* const source =
        reinterpret_cast<const volatile std::byte*>(from);  // NOLINT(performance-no-int-to-ptr)
    for (std::size_t i = 0; i < size; ++i) {
        static_cast<std::byte*>(to)[i] = source[i];
    }
}

loaded_module module_at(std::uintptr_t address) noexcept {
    dl_find_object found{};
    void* const pointer = reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
    if (_dl_find_object(pointer, &found) != 0) { return {}; }
    return {{reinterpret_cast<std::uintptr_t>(found.dlfo_map_start),
             reinterpret_cast<std::uintptr_t>(found.dlfo_map_end)},
            reinterpret_cast<std::uintptr_t>(found.dlfo_eh_frame)};
}

call_target call_before(std::uintptr_t return_address, std::uintptr_t function) noexcept {
    const auto module = module_at(return_address);
    if (!module.range.contains(return_address - longest_call)) { return call_target::none; }
    if (byte_at(return_address - 5) == 0xe8) {
        const auto target = relative_operand(return_address);
        if (target == function || through_linkage_table(target) == function) {
            return call_target::confirmed;
        }
    }
    return is_indirect_call(return_address) ? call_target::indirect : call_target::none;
}

}  // namespace coroscope::instrumentation::detail
