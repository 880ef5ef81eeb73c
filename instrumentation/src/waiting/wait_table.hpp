// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace coroscope::instrumentation {

/// Besides its awaits, what tells a wait from others.
struct wait_place {
    std::uint32_t label = 0;              ///< of the task's name: see `wait_names`
    wait_kind kind = wait_kind::nothing;  ///< nothing: only its turn
    bool has_begun = true;                ///< false: a task before its first step
};

/// The sums of the waits at one stack. Written by the loop's thread alone.
struct wait_sums {
    std::atomic<std::uint64_t> key{0};  ///< 0: free; set last, when the rest can be read
    std::atomic<std::uint64_t> waits{0};
    std::atomic<std::uint64_t> scheduled_ticks{0};
    std::atomic<std::uint64_t> waiting_ticks{0};
    std::unique_ptr<await_site[]> sites;  ///< innermost first
    std::uint32_t site_count = 0;
    wait_place place;
    bool truncated = false;
};

/// A hash table that never grows nor forgets, so that others may read it while one thread adds.
class wait_table {
public:
    explicit wait_table(std::size_t capacity);

    /// The entry of that key (not 0), or a free one, whose key is 0, or null if it is full.
    [[nodiscard]] wait_sums* find(std::uint64_t key) noexcept {
        for (auto at = key & mask_;; at = (at + 1) & mask_) {
            auto& entry = entries_[at];
            const auto found = entry.key.load(std::memory_order_relaxed);
            if (found == key) { return &entry; }
            if (found == 0) { return used_ < capacity_ ? &entry : nullptr; }
        }
    }

    /// Makes a free entry one of that key. False if there is no memory.
    [[nodiscard]] bool open(wait_sums& entry, std::uint64_t key, std::span<const await_site> sites,
                            const wait_place& place, bool truncated) noexcept;
    /// Not when it is three quarters full: what is left is for stacks that are new.
    [[nodiscard]] bool has_room_for_names() const noexcept {
        return used_ < capacity_ - capacity_ / 4;
    }

    static void add(wait_sums& to, std::uint64_t waiting, std::uint64_t scheduled) noexcept {
        add_to(to.waits, 1);
        add_to(to.waiting_ticks, waiting);
        add_to(to.scheduled_ticks, scheduled);
    }
    void drop() noexcept { add_to(dropped_, 1); }

    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(); }
    /// Any thread: those whose key is 0 must not be touched.
    [[nodiscard]] const std::vector<wait_sums>& entries() const noexcept { return entries_; }

private:
    static void add_to(std::atomic<std::uint64_t>& sum, std::uint64_t amount) noexcept {
        sum.store(sum.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }

    std::vector<wait_sums> entries_;
    std::size_t capacity_;
    std::size_t used_ = 0;
    std::uint64_t mask_;
    std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace coroscope::instrumentation
