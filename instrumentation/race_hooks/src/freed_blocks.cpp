// SPDX-License-Identifier: Apache-2.0
#include "freed_blocks.hpp"

#include "access_shadow.hpp"
#include "fork_safe_mutex.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <array>
#include <cstdint>
#include <mutex>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t most_blocks = 256;
constexpr std::size_t most_bytes = std::size_t{1} << 17U;

constinit fork_safe_mutex queue_mutex;
constinit std::array<freed_blocks::entry, most_blocks> queue{};
constinit std::size_t first = 0;
constinit std::size_t count = 0;
constinit std::size_t bytes_kept = 0;

/// Under the mutex, where there is one.
[[nodiscard]] freed_blocks::entry take_first() noexcept {
    const auto taken = queue[first];
    first = (first + 1) % most_blocks;
    --count;
    bytes_kept -= taken.bytes;
    return taken;
}

/// It may be anybody's from then on, and is told of to nobody: no cell of it is left marked. The
/// last one is its alone, as blocks share no such piece.
void give_back(const freed_blocks::entry& freed) noexcept {
    constexpr std::size_t granularity = 16;
    const auto whole = (freed.bytes + granularity - 1) / granularity * granularity;
    static_cast<void>(access_shadow::clear(reinterpret_cast<std::uintptr_t>(freed.block), whole));
    freed.give_back(freed.block, freed.given_bytes, freed.alignment);
}

}  // namespace

void freed_blocks::keep(const entry& freed) noexcept {
    const coroscope::detail::own_accesses inside;
    for (;;) {
        entry out;
        {
            const std::lock_guard lock(queue_mutex);
            if (count < most_blocks && bytes_kept + freed.bytes <= most_bytes) {
                queue[(first + count) % most_blocks] = freed;
                ++count;
                bytes_kept += freed.bytes;
                return;
            }
            out = take_first();
        }
        give_back(out);
    }
}

bool freed_blocks::contains(const void* block) noexcept {
    const coroscope::detail::own_accesses inside;
    const std::lock_guard lock(queue_mutex);
    for (std::size_t i = 0; i < count; ++i) {
        if (queue[(first + i) % most_blocks].block == block) { return true; }
    }
    return false;
}

void freed_blocks::give_back_all() noexcept {
    const coroscope::detail::own_accesses inside;
    for (;;) {
        entry out;
        {
            const std::lock_guard lock(queue_mutex);
            if (count == 0) { return; }
            out = take_first();
        }
        give_back(out);
    }
}

}  // namespace coroscope::instrumentation::detail
