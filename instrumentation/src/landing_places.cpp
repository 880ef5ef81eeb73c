// SPDX-License-Identifier: Apache-2.0
#include "landing_places.hpp"

#include "code_map.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <dlfcn.h>

namespace coroscope::instrumentation::detail {
namespace {

/// All of the unwinder's functions that do not return to who called them.
constexpr std::array arriving{"_Unwind_RaiseException", "_Unwind_Resume",
                              "_Unwind_Resume_or_Rethrow", "_Unwind_ForcedUnwind"};

// What __builtin_eh_return ends in: mov %rcx,%rsp; pop %rcx; jmp *%rcx.
constexpr std::array<std::uint8_t, 6> jump{0x48, 0x89, 0xcc, 0x59, 0xff, 0xe1};
constexpr std::uintptr_t longest_function = 4096;
constexpr std::uintptr_t call_bytes = 5;
constexpr std::uint8_t direct_call = 0xe8;

bool is_call(const address_range& module, std::uintptr_t at) {
    if (read_in_module<std::uint8_t>(at) != direct_call) { return false; }
    const auto distance = read_in_module<std::int32_t>(at + 1);
    return module.contains(at + call_bytes + static_cast<std::uintptr_t>(std::intptr_t{distance}));
}

/// Behind the function that writes the registers: the last call but one before the jump. The last
/// one tells debuggers.
std::uintptr_t registers_written(const address_range& module, std::uintptr_t function,
                                 std::uintptr_t before) {
    int calls = 0;
    for (auto at = before - call_bytes; at > function; --at) {
        if (is_call(module, at) && ++calls == 2) { return at + call_bytes; }
    }
    return 0;
}

std::optional<address_range> place_in(std::uintptr_t function) {
    const auto module = module_at(function).range;
    const auto end = std::min(module.high, function + longest_function);
    for (auto at = function; at + jump.size() < end; ++at) {
        if (read_in_module<std::array<std::uint8_t, jump.size()>>(at) != jump) { continue; }
        const auto begin = registers_written(module, function, at);
        if (begin == 0) { return std::nullopt; }
        return address_range{begin, at + jump.size()};
    }
    return std::nullopt;
}

}  // namespace

landing_places::landing_places() {
    // Sanitizers put functions of their own before the library's.
    void* const library = ::dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_NOLOAD);
    for (const char* name : arriving) {
        void* const function = ::dlsym(library != nullptr ? library : RTLD_DEFAULT, name);
        if (function == nullptr) { continue; }
        const auto place = place_in(reinterpret_cast<std::uintptr_t>(function));
        if (place) { places_.push_back(*place); }
    }
    if (library != nullptr) { ::dlclose(library); }
}

bool landing_places::cut(unwound_stack& stack) const {
    const auto found =
        std::find_if(stack.addresses.begin(), stack.addresses.end(), [this](const auto address) {
            return std::any_of(places_.begin(), places_.end(),
                               [address](const auto& place) { return place.contains(address); });
        });
    if (found == stack.addresses.end()) { return false; }
    stack.addresses.erase(found + 1, stack.addresses.end());
    stack.truncated = true;
    return true;
}

}  // namespace coroscope::instrumentation::detail
