// SPDX-License-Identifier: Apache-2.0
#include "memory_life.hpp"

#include "access_shadow.hpp"
#include "code_origins.hpp"
#include "known_blocks.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/task_core.hpp>

#include <array>
#include <cstdint>
#include <cstring>

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::this_stretch;

/// Blocks share no such piece with each other.
constexpr std::size_t granularity = 16;

/// Two pointers to code, and what all promises have.
constexpr std::size_t bookkeeping = 2 * sizeof(void*) + sizeof(coroscope::detail::frame_base);

/// Of a coroutine of code that somebody looks for races in: it begins with what resumes and what
/// destroys it.
[[nodiscard]] bool is_users_frame(const void* frame) noexcept {
    std::array<const void*, 2> functions{};
    std::memcpy(functions.data(), frame, sizeof(functions));
    const coroscope::detail::own_accesses inside;
    return origin_of_code(reinterpret_cast<std::uintptr_t>(functions[1])) == code_origin::user;
}

/// What ends here may be a frame.
void begin_or_end_block(const void* block, std::size_t bytes) noexcept {
    const auto known = known_blocks::find_begin(block);
    end_life(block, bytes);
    const bool is_told = annotation_listener != nullptr && this_stretch.number != 0;
    if (!known.is_frame || !is_told || !is_users_frame(block)) { return; }
    coroscope::detail::tell_access_listener([&](coroscope::detail::access_sink&) {
        if (annotation_listener->on_freed(known, nullptr)) {
            access_shadow::note_freed(reinterpret_cast<std::uintptr_t>(block), bytes);
        }
    });
}

}  // namespace

[[gnu::noinline]] void end_life(const void* block, std::size_t bytes) noexcept {
    const auto whole = (bytes + granularity - 1) / granularity * granularity;
    if (access_shadow::clear(reinterpret_cast<std::uintptr_t>(block), whole)) {
        coroscope::detail::tell_access_listener([=](coroscope::detail::access_sink& listener) {
            listener.on_end_of_life(block, whole);
        });
    }
    known_blocks::remove(block);
}

void block_lives::on_end_of_life(const void* block, std::size_t bytes) noexcept {
    begin_or_end_block(block, bytes);
}

void block_lives::on_begin_of_life(const void* frame, std::size_t bytes) noexcept {
    end_life(frame, bytes);
    access_shadow::hide(reinterpret_cast<std::uintptr_t>(frame), bookkeeping);
    known_blocks::add({frame, bytes, nullptr, true});
}

constinit block_lives lives_of_blocks;

}  // namespace coroscope::instrumentation::detail
