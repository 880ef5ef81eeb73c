// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sched.h>

namespace coroscope::instrumentation::detail {

/// A lock for a few instructions, that neither allocates nor is a `pthread_mutex_t`.
class short_lock {
public:
    void lock() noexcept {
        for (unsigned tries = 0; is_held_.exchange(true, std::memory_order_acquire); ++tries) {
            if (tries % 64 == 63) { ::sched_yield(); }
        }
    }
    void unlock() noexcept { is_held_.store(false, std::memory_order_release); }

private:
    std::atomic<bool> is_held_{false};
};

/// Who allocates and where, without anything that would have to be allocated itself.
struct place_key {
    static constexpr std::size_t most_calls = 16;
    static constexpr std::size_t most_awaits = 16;

    std::uint64_t who = 0;
    std::uint32_t loop_id = 0;
    std::uint32_t calls = 0;
    std::uint32_t awaits = 0;
    // Filled as far as the numbers say: to clear them for each allocation took 10 ns.
    std::array<const void*, most_calls> call;
    std::array<const void*, most_awaits> await;  ///< what a site consists of

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init,modernize-use-equals-default)
    place_key() noexcept {}
    void add(const await_site& site) noexcept {
        await[awaits++] = std::bit_cast<const void*>(site);
    }
    [[nodiscard]] std::uint64_t hash() const noexcept;
    [[nodiscard]] bool equals(const place_key& other) const noexcept;
};

/// Where a place stands in the table, and what was allocated there.
struct counted_place {
    static constexpr std::size_t name_length = 24;

    std::atomic<bool> is_used{false};  ///< set when the key is complete
    std::uint64_t hash = 0;
    place_key key;
    std::array<char, name_length> name{};
    short_lock lock;  ///< for the amounts
    memory_amounts amounts;
    std::int64_t peak_bytes = 0;
};

/// The live blocks and the places that allocated them. All memory is mapped by the first start.
///
/// A block's entry is in one of 64 parts, by its address, each with a lock of its own; a place's
/// amounts have another, taken inside. Blocks of one address are noted in the order in which they
/// existed, since an allocation is noted after it and a free before it.
class allocation_table {
public:
    static constexpr std::size_t most_places = 16'384;
    static constexpr std::size_t parts = 64;
    static constexpr std::size_t part_size = std::size_t{1} << 15U;

    /// Forgets everything. `period`: see `memory_profiler_options::sample_period`.
    void start(std::size_t period);
    void stop() noexcept;
    void allocated(const void* block, std::size_t size, const place_key& key,
                   std::string_view name) noexcept;
    void freed(const void* block) noexcept;
    /// `who` 0: everybody's places, else only theirs. In the order in which they came.
    void read(memory_snapshot& into, std::uint32_t loop_id = 0, std::uint64_t who = 0);
    [[nodiscard]] std::size_t period() const noexcept {
        return period_.load(std::memory_order_relaxed);
    }
    /// Keeps everybody out, and lets them in again: for a fork. Whoever adds a place holds a part.
    void hold() noexcept;
    void let_go() noexcept;

private:
    struct live_block {
        std::uintptr_t address = 0;  ///< 0: none
        std::uint64_t size_and_place = 0;
    };
    struct alignas(64) part {
        short_lock lock;
        std::size_t count = 0;
        live_block* blocks = nullptr;
    };

    [[nodiscard]] part& part_of(std::uintptr_t address) noexcept;
    [[nodiscard]] static std::size_t slot_of(std::uintptr_t address) noexcept;
    [[nodiscard]] static live_block& slot_for(part& in, std::uintptr_t address) noexcept;
    static void erase(part& from, live_block& gone) noexcept;
    [[nodiscard]] counted_place* find_place(const place_key& key, std::string_view name) noexcept;
    [[nodiscard]] counted_place* add_place(std::size_t from, std::uint64_t hash,
                                           const place_key& key, std::string_view name) noexcept;
    void count(counted_place& place, std::size_t size, bool is_freed) noexcept;
    void map_memory();

    std::atomic<bool> runs_{false};
    std::atomic<std::size_t> period_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::int64_t> live_bytes_{0};
    std::atomic<std::int64_t> peak_bytes_{0};
    std::array<part, parts> parts_{};
    short_lock reading_;  ///< or starting
    short_lock adding_;   ///< a place
    std::atomic<std::size_t> places_used_{0};
    std::uint32_t* order_ = nullptr;  ///< where the places are, oldest first
    counted_place* places_ = nullptr;
};

/// The one of the process, which the hooks write to.
extern constinit allocation_table process_allocations;

}  // namespace coroscope::instrumentation::detail
