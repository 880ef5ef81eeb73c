// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_units.hpp"
#include "thread_records.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>

namespace coroscope::instrumentation::detail {

/// One order of jobs and the loop, and of the objects by which they tell each other that something
/// was done.
/// **Thread safety**: none.
class thread_clocks {
public:
    void spawn(std::uint64_t creator, std::uint64_t child) { units_.spawn(creator, child); }
    void order(std::uint64_t from, std::uint64_t to) { units_.order(from, to); }
    void end(std::uint64_t unit);

    void note(std::uint64_t unit, const void* object, thread_order how);
    void forget(const void* begin, std::size_t bytes) noexcept;
    /// All that was done so far comes before all that follows.
    void forget_objects() noexcept;

    /// False: there is no room for another unit.
    [[nodiscard]] bool stamp(std::uint64_t unit, thread_stamp& made);
    [[nodiscard]] std::size_t objects() const noexcept { return objects_.size(); }

private:
    /// Of one unit.
    struct fences {
        growing_clock given;  ///< before the last release fence
        growing_clock taken;  ///< by relaxed loads
    };
    [[nodiscard]] growing_clock& object_at(const void* object);
    void take(growing_clock& to, const void* object) const;

    race_units units_;
    std::map<std::uintptr_t, growing_clock> objects_;
    growing_clock any_object_;  ///< of those for which there was no room: all of them are one
    std::unordered_map<std::uint64_t, fences> fences_;
};

}  // namespace coroscope::instrumentation::detail
