// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clock_slots.hpp"
#include "race_clock.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/creation_origin.hpp>
#include <coroscope/runtime/schedule_policy.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::instrumentation::detail {

/// In the id of an agent: it is a job, of that number. Callbacks have ids of their own.
inline constexpr std::uint64_t job_id_bit = std::uint64_t{1} << 62U;

/// `unit_facts::kind` of what an executor's thread runs.
inline constexpr std::string_view job_kind = "job";
/// ... and of a thread that a task started.
inline constexpr std::string_view thread_kind = "thread";

/// Is set once. **Thread safety**: all of it; nothing else is ordered by it.
class late_flag {
public:
    late_flag() = default;
    late_flag(const late_flag& other) noexcept : is_set_(other.is_set()) {}
    late_flag& operator=(const late_flag&) = delete;
    ~late_flag() = default;
    void set() noexcept { is_set_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool is_set() const noexcept { return is_set_.load(std::memory_order_relaxed); }

private:
    std::atomic<bool> is_set_{false};
};

/// A task or a callback, as findings tell of it; outlives it.
struct unit_facts {
    schedule_policy::agent agent;
    std::string name;  ///< `task-ID` where none was given
    await_site created_at{};
    creation_origin origin;
    const char* kind = "callback";  ///< of what is no task
    late_flag has_ended{};          ///< jobs look at those of the loop's tasks, too
};

struct held_lock {
    const void* mutex = nullptr;
    std::uint64_t id = 0;           ///< as listings show it
    std::uint64_t acquisition = 0;  ///< the same as long as it was not given back
    std::uint32_t step = 0;         ///< in which it was taken
    await_site at{};
    const char* kind = "mutex";  ///< as listings show it
    bool is_shared = false;      ///< of threads: with others who only read
};
/// Whether they keep two accesses apart.
[[nodiscard]] inline bool exclude_each_other(const held_lock& a, const held_lock& b) noexcept {
    return a.mutex == b.mutex && !(a.is_shared && b.is_shared);
}
using lock_set = std::vector<held_lock>;
[[nodiscard]] inline bool exclude_each_other(const lock_set& a, const lock_set& b) noexcept {
    return std::ranges::any_of(a, [&](const held_lock& one) {
        return std::ranges::any_of(b, [&](const auto& o) { return exclude_each_other(one, o); });
    });
}

/// The first access of its kind that one unit made to one variable in one segment.
struct access_record {
    // What is looked at in each of a history's records lies side by side.
    std::shared_ptr<const unit_facts> who;
    std::shared_ptr<const access_record> previous;  ///< of this unit, in an earlier segment
    std::uint64_t path = 0;                         ///< a hash of `place` and of that of `previous`
    std::uint32_t step = 0;     ///< of the unit: the number of the await that it was resumed from
    std::uint64_t segment = 0;  ///< see `current_segment`
    std::uint64_t order = 0;    ///< grows from record to record
    access_kind kind{};
    written_value value = written_value::unknown;
    bool is_computed = false;        ///< something was made of the value that was read
    bool is_tested = false;          ///< a branch was taken on it
    std::uint32_t member = 0;        ///< of its group
    bool is_whole = false;           ///< with it, all members of the group were accessed
    bool is_followed = false;        ///< by another one of this unit in a later segment
    std::uint64_t derived_from = 0;  ///< for `written_value::derived`: the segment that read
    const char* benign = nullptr;    ///< why it is
    std::uint64_t place = 0;         ///< its kind, and where it was first made, as a hash
    await_site where{};
    const void* code = nullptr;  ///< the instruction, where there is no line
    std::uint8_t bytes = 0xff;   ///< of eight: which ones, a bit each
    await_site resumed_at{};     ///< the await that the segment began at
    await_site awaited_in{};     ///< that of the coroutine of `where`, if it is in another function
    creation_origin callers;     ///< the awaits that led to the coroutine of `where`
    slot_memory slot;            ///< with `time`: the event for other units' clocks
    std::uint32_t time = 0;
    race_clock clock;  ///< what comes before it, without its own unit
    std::shared_ptr<const lock_set> locks;

    [[nodiscard]] bool is_used() const noexcept { return is_computed || is_tested; }
    [[nodiscard]] bool is_write() const noexcept { return kind == access_kind::write; }
};
using record_pointer = std::shared_ptr<const access_record>;

/// Of eight bytes that the compiler saw used, `bytes` says which: the first that ever was has the
/// name.
inline void name_bytes(variable_label& label, const void* granule, std::uint8_t bytes) noexcept {
    if (label.address != nullptr) { return; }
    label.address = static_cast<const std::byte*>(granule) + std::countr_zero(bytes);
}

[[nodiscard]] inline bool is_one_site(const await_site& a, const await_site& b) noexcept {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// Of code, as the compiler or a call of ours tells it.
[[nodiscard]] inline bool is_one_place(const access_record& a, const access_record& b) noexcept {
    return a.code == b.code && is_one_site(a.where, b.where);
}
/// A number for it: other places have others.
[[nodiscard]] inline std::uint64_t number_of_place(const access_record& of) noexcept {
    return of.code != nullptr ? reinterpret_cast<std::uintptr_t>(of.code)
                              : std::bit_cast<std::uint64_t>(of.where);
}

/// Whether no schedule can change that `a` comes before `b`.
[[nodiscard]] inline bool comes_before(const access_record& a, const access_record& b) noexcept {
    if (a.who->agent == b.who->agent) { return a.order < b.order; }
    return b.clock.time_of(a.slot.slot()) >= a.time;
}

/// Two accesses of one unit, and one of another that comes between them, or could.
struct access_triple {
    const access_record& first;
    const access_record& other;
    const access_record& second;

    /// Whether all of them touch a common byte.
    [[nodiscard]] bool overlaps() const noexcept {
        return (first.bytes & other.bytes & second.bytes) != 0;
    }
    [[nodiscard]] bool is_of_code() const noexcept {
        return first.code != nullptr || other.code != nullptr || second.code != nullptr;
    }
    [[nodiscard]] bool has_happened() const noexcept {
        return first.order < other.order && other.order < second.order;
    }
};

}  // namespace coroscope::instrumentation::detail
