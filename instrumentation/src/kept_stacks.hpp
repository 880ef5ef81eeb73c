// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "native_trace.hpp"

#include <coroscope/runtime/await_site.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Native stacks, each distinct one once, as long as somebody uses it and until its room is needed
/// afterwards; and where on a thread's stack they were seen, by which the next sight of the same is
/// recognised without unwinding. One thread at a time.
class kept_stacks {
public:
    using index = std::uint32_t;

    /// At most `most` stacks of `addresses` return addresses each.
    kept_stacks(std::size_t most, std::size_t addresses);

    /// The stack above a frame of the calling thread, with one user more. `call` is the source
    /// position of what the stack is taken for. Nothing if there is no room.
    [[nodiscard]] std::optional<index> take(std::uintptr_t frame, const await_site& call);
    void give_back(index which) noexcept { --stacks_[which].users; }

    [[nodiscard]] const std::vector<std::uintptr_t>& addresses(index which) const noexcept {
        return stacks_[which].addresses;
    }
    [[nodiscard]] bool is_truncated(index which) const noexcept { return stacks_[which].truncated; }
    /// Those that have users.
    [[nodiscard]] std::size_t used() const noexcept;
    /// How often a stack had to be unwound.
    [[nodiscard]] std::uint64_t unwound() const noexcept { return unwound_; }

private:
    struct stack {
        std::vector<std::uintptr_t> addresses;
        bool truncated = false;
        std::uint64_t users = 0;
        std::uint64_t generation = 0;  ///< how many stacks this room has held
    };
    /// A stack as it was once found on a thread's.
    struct sight {
        std::uintptr_t frame = 0;
        await_site call{};
        index which = 0;
        std::uint64_t generation = 0;  ///< of the stack
        std::vector<std::uint32_t> places;
    };
    static constexpr std::size_t ways = 4;
    struct sights {
        std::array<sight, ways> entries;
        std::size_t oldest = 0;
    };

    [[nodiscard]] sights& sights_at(std::uintptr_t frame, const await_site& call) noexcept;
    [[nodiscard]] std::optional<index> keep(native_trace& trace);
    [[nodiscard]] std::optional<index> free_room();

    std::size_t most_;
    std::size_t most_addresses_;
    std::vector<stack> stacks_;
    std::unordered_multimap<std::uint64_t, index> by_content_;
    std::vector<sights> sights_;
    std::size_t hand_ = 0;  ///< where the search for room goes on
    std::uint64_t unwound_ = 0;
};

}  // namespace coroscope::instrumentation::detail
