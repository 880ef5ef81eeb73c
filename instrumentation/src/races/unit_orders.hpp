// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_units.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/observer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>

namespace coroscope::instrumentation::detail {

/// Turns what happens into the order of units: the must-edges, which no schedule can change. A lock
/// that goes from one task to another is none: it could have gone the other way.
class unit_orders {
public:
    unit_orders(race_units& units, race_log& log) : units_(units), log_(log) {}

    void note_edge(edge_kind kind, std::uint64_t from, std::uint64_t to, std::uint64_t now);
    /// Of a synchronisation object that is no lock. What came one by one orders one by one: who
    /// gets an item comes after whoever put that one, not after those who put others.
    void note_use(const coroscope::detail::access& made, std::uint64_t now);
    void forget(const void* object) { objects_.erase(object); }

    /// Something was told of, in the loop's run or outside.
    void note_run(bool is_running) noexcept {
        has_run_ = has_run_ || is_running;
        if (!is_running) { ending_ = 0; }
    }
    /// `address`: by which it was told of where it was posted, if another thread might have done
    /// so.
    void begin_callback(std::uint64_t handle, const void* address);
    /// What the unit's end releases until another goes on is its own.
    void end(std::uint64_t key);

private:
    static constexpr std::size_t most_objects = 65536;
    static constexpr std::size_t most_posted = 65536;
    static constexpr std::size_t most_items = 4096;  ///< of one object

    struct object_order {
        growing_clock clock;  ///< of what came without a number
        std::map<std::uint64_t, race_clock> items;
    };

    void note_outside();
    void note_posted(std::uint64_t by, std::uint64_t handle);
    void release(race_unit& by, object_order& object, std::uint64_t number);
    static void acquire(race_unit& by, object_order& object, std::uint64_t number);

    race_units& units_;
    race_log& log_;
    std::uint64_t ending_ = 0;
    bool has_run_ = false;  ///< since the code outside of the loop was last looked at
    std::unordered_map<const void*, object_order> objects_;
    std::unordered_map<std::uint64_t, race_clock> posted_;  ///< by handle
    std::deque<std::uint64_t> posted_first_;
};

}  // namespace coroscope::instrumentation::detail
