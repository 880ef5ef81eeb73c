// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "benign_scopes.hpp"
#include "clock_slots.hpp"
#include "race_records.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

/// What is known of a task or callback that has not ended, or just has.
struct race_unit {
    growing_clock clock;                     ///< what comes before its segment, without itself
    std::uint32_t slot = clock_slots::none;  ///< before its first access
    bool is_published = false;  ///< others know of its present time: the next access has another
    benign_scopes benign;
    std::shared_ptr<unit_facts> facts;      ///< made with the first access
    std::shared_ptr<const lock_set> locks;  ///< that it holds; null: none
};

/// All units, by what `key_of` makes of their ids.
class race_units {
public:
    [[nodiscard]] static constexpr std::uint64_t key_of(
        const schedule_policy::agent& who) noexcept {
        return who.id * 2 + (who.is_task ? 0 : 1);
    }
    [[nodiscard]] static constexpr schedule_policy::agent agent_of(std::uint64_t key) noexcept {
        return {key / 2, key % 2 == 0};
    }
    /// Finds or makes it.
    [[nodiscard]] race_unit& at(std::uint64_t key) { return units_[key]; }
    [[nodiscard]] race_unit* find(std::uint64_t key) noexcept;

    /// `child` begins with all that comes before `creator`'s present segment, and that itself.
    void spawn(std::uint64_t creator, std::uint64_t child);
    /// What `from` did so far comes before what `to` does from now on.
    void order(std::uint64_t from, std::uint64_t to);
    /// What all units that are known did so far comes before what `to` does from now on.
    void gather(std::uint64_t to);
    /// Adds what `from` did so far to `to`.
    void publish(race_unit& from, growing_clock& to);
    [[nodiscard]] race_clock published(race_unit& from);
    /// Has no more segments. It is known for a while: its end is what others wait for.
    void end(std::uint64_t key);

    /// The epoch of an access that the unit makes now; false: no slot is left.
    [[nodiscard]] bool stamp(race_unit& unit, access_record& made) {
        return stamp(unit, made.slot, made.time, made.clock);
    }
    [[nodiscard]] bool stamp(race_unit& unit, slot_memory& slot, std::uint32_t& time,
                             race_clock& clock);

    void set_locks(race_unit& of, std::shared_ptr<const lock_set> held) noexcept {
        holders_ += held != nullptr ? 1U : 0U;
        holders_ -= of.locks != nullptr ? 1U : 0U;
        of.locks = std::move(held);
    }
    /// How many units hold locks.
    [[nodiscard]] std::size_t holders() const noexcept { return holders_; }

    [[nodiscard]] std::size_t slots() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return units_.size(); }

private:
    static constexpr std::size_t ended_kept = 64;

    std::unordered_map<std::uint64_t, race_unit> units_;
    clock_slots slots_;
    std::size_t holders_ = 0;
    std::deque<std::uint64_t> ended_;
};

}  // namespace coroscope::instrumentation::detail
