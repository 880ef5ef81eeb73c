// SPDX-License-Identifier: Apache-2.0
#include "memory_names.hpp"

#include "symbolizer.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include <pthread.h>

namespace coroscope::instrumentation::detail {

constinit block_finder find_memory_block = nullptr;

namespace {

[[nodiscard]] report::stack_frame frame_at(const void* code) {
    unwound_stack one;
    one.addresses.push_back(reinterpret_cast<std::uintptr_t>(code));
    auto named = shared_symbolizer().name(one);
    // Of what was expanded in place, the outermost is the user's function.
    return named.frames.empty() ? report::stack_frame() : std::move(named.frames.back());
}

/// A frame begins with the functions that resume and destroy it; the latter stays until its end.
[[nodiscard]] memory_name name_in_frame(const void* frame, std::size_t offset) {
    std::array<const void*, 2> functions{};
    std::memcpy(functions.data(), frame, sizeof(functions));
    const auto owner = frame_at(functions[1]);
    const auto function = owner.function.empty() ? "a coroutine" : owner.function;
    const auto local = shared_symbolizer().name_frame_member(
        reinterpret_cast<std::uintptr_t>(functions[1]), offset);
    if (!local.empty()) { return {"'" + local + "' of " + function, {}}; }
    return {"byte " + std::to_string(offset) + " of the frame of " + function, {}};
}

[[nodiscard]] memory_name name_in_block(const memory_block& block, std::size_t offset) {
    memory_name made;
    made.text = "byte " + std::to_string(offset) + " of a block of " + std::to_string(block.bytes)
                + " allocated ";
    const auto by = block.code != nullptr ? frame_at(block.code) : report::stack_frame();
    made.made_at = {by.file, by.line, by.function};
    if (by.file.empty()) {
        made.text += by.function.empty() ? "in an unknown place" : "in " + by.function;
    } else {
        made.text += "at " + to_string(made.made_at) + " in " + by.function;
    }
    return made;
}

[[nodiscard]] bool is_on_this_stack(const void* address) noexcept {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) { return false; }
    void* begin = nullptr;
    std::size_t bytes = 0;
    const bool is_known = ::pthread_attr_getstack(&attributes, &begin, &bytes) == 0;
    ::pthread_attr_destroy(&attributes);
    const auto offset = reinterpret_cast<std::uintptr_t>(address)  // beyond `bytes` if below
                        - reinterpret_cast<std::uintptr_t>(begin);
    return is_known && offset < bytes;
}

}  // namespace

memory_name name_of_memory(const void* address) {
    const auto block = find_memory_block != nullptr ? find_memory_block(address) : memory_block();
    if (block.begin != nullptr) {
        const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(address)
                                                     - static_cast<const std::byte*>(block.begin));
        return block.is_frame ? name_in_frame(block.begin, offset) : name_in_block(block, offset);
    }
    auto symbol = shared_symbolizer().name_data(reinterpret_cast<std::uintptr_t>(address));
    if (!symbol.empty()) { return {std::move(symbol), {}}; }
    return {is_on_this_stack(address) ? "a local variable of a function that runs the loop"
                                      : "memory allocated where nobody looked",
            {}};
}

}  // namespace coroscope::instrumentation::detail
