// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/memory_names.hpp>

#include "code_frames.hpp"
#include "symbolizer.hpp"
#include "thread_state.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace coroscope::instrumentation::detail {

constinit block_finder find_memory_block = nullptr;
constinit freed_test was_memory_freed = nullptr;
constinit memory_function give_back_freed_memory = nullptr;

namespace {

[[nodiscard]] memory_name name_in_frame(const memory_place& place) {
    const auto owner = users_frame_at(place.code);
    const auto function = owner.function.empty() ? "a coroutine" : owner.function;
    const auto local = symbolizer::shared().name_frame_member(
        reinterpret_cast<std::uintptr_t>(place.code), place.offset);
    if (!local.empty()) { return {"'" + local + "' of " + function, {}}; }
    return {"byte " + std::to_string(place.offset) + " of the frame of " + function, {}};
}

[[nodiscard]] memory_name name_in_block(const memory_place& place) {
    memory_name made;
    made.text = "byte " + std::to_string(place.offset) + " of a block of "
                + std::to_string(place.bytes) + " allocated ";
    const auto by = place.code != nullptr ? users_frame_at(place.code) : report::stack_frame();
    made.made_at = {by.file, by.line, by.function};
    if (by.file.empty()) {
        made.text += by.function.empty() ? "in an unknown place" : "in " + by.function;
    } else {
        made.text += "at " + to_string(made.made_at) + " in " + by.function;
    }
    return made;
}

}  // namespace

memory_place place_in_memory(const void* address) noexcept {
    memory_place place;
    place.address = address;
    if (own_stack().contains(reinterpret_cast<std::uintptr_t>(address))) {
        place.where = memory_place::home::stack;
        return place;
    }
    const auto block = find_memory_block != nullptr ? find_memory_block(address) : memory_block();
    if (block.begin == nullptr) { return place; }
    place.where = block.is_frame ? memory_place::home::frame : memory_place::home::block;
    place.offset = static_cast<std::size_t>(static_cast<const std::byte*>(address)
                                            - static_cast<const std::byte*>(block.begin));
    place.bytes = block.bytes;
    place.code = block.code;
    if (block.is_frame) {  // it begins with what resumes and what destroys it; that stays
        std::array<const void*, 2> functions{};
        std::memcpy(functions.data(), block.begin, sizeof(functions));
        place.code = functions[1];
    }
    return place;
}

memory_name name_of_memory(const memory_place& place) {
    switch (place.where) {
    case memory_place::home::stack: return {"a local variable on a thread's stack", {}};
    case memory_place::home::block: return name_in_block(place);
    case memory_place::home::frame: return name_in_frame(place);
    case memory_place::home::unknown: break;
    }
    return {symbolizer::shared().name_data(reinterpret_cast<std::uintptr_t>(place.address)), {}};
}

}  // namespace coroscope::instrumentation::detail
