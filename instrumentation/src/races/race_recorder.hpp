// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "private_memory.hpp"
#include "race_log.hpp"
#include "race_records.hpp"
#include "race_units.hpp"
#include "variable_history.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace coroscope::detail {
struct loop_core;
}

namespace coroscope::instrumentation::detail {

/// At most so many are kept, the newest.
template <class Entry>
void keep_newest(std::vector<Entry>& in, Entry made, std::size_t most) {
    if (in.size() == most) { in.erase(in.begin()); }
    in.push_back(std::move(made));
}

/// Remembers the latest accesses to each variable and judges them when their segment has ended,
/// since only then it is known what became of the values that were read.
class race_recorder {
public:
    race_recorder(const coroscope::detail::loop_core& of, race_units& units, race_log& log,
                  std::size_t records_a_variable)
        : core_(of),
          units_(units),
          log_(log),
          capacity_(records_a_variable) {}
    race_recorder(const race_recorder&) = delete;
    race_recorder& operator=(const race_recorder&) = delete;

    /// The unit that runs now, and where it is; `key` 0: none of this loop's.
    struct present {
        std::uint64_t key = 0;
        std::uint32_t step = 0;
    };
    [[nodiscard]] present now() const noexcept;
    /// Whether the unit is a task that has not gone on since then. Looks through all tasks.
    [[nodiscard]] bool is_still_at(std::uint64_t key, std::uint32_t step) const noexcept;
    /// The number of the present segment; see `current_segment`.
    [[nodiscard]] std::uint64_t segment_of(const present& at) noexcept;

    std::uint64_t note(const annotated_access& made);
    /// One that the compiler saw. Nothing is known of its value: what was read counts as used.
    void note_single(const coroscope::detail::access& made);
    /// What all accesses of the present part of a segment have in common; null: nobody runs, or
    /// there is no room.
    [[nodiscard]] std::shared_ptr<const access_record> part_now();
    /// What comes before the present unit, or its locks, may be something else from now on.
    void end_part() noexcept { private_.end_part(); }
    /// The present segment ends within its step.
    void split_segment() noexcept;
    void note_value_used(const provenance& from, value_use how);
    void note_group(const void* group, const variable_label& label,
                    std::span<const void* const> members);
    void forget_group(const void* group) noexcept { groups_.erase(group); }
    void note_benign(const char* reason);
    void forget_variable(const void* object, std::size_t bytes);
    /// Of every variable.
    void forget_all();
    void forget_cell(const variable_cell& cell) noexcept;
    /// The step ends, or a part of it: from now on a variable may be destroyed by another thread.
    void forget_cells() noexcept;
    void end_unit(std::uint64_t key);

    /// Judges what has not been judged.
    void settle();

    /// Who runs now; null: nobody of this loop.
    [[nodiscard]] std::shared_ptr<const unit_facts> who(const present& at);
    /// What the unit, which runs now, holds, and what was lent to it; null: nothing.
    [[nodiscard]] std::shared_ptr<const lock_set> locks_of(std::uint64_t key) const;
    /// Fills in who makes it, and where.
    void locate(const present& at, access_record& made, await_site where);
    /// The same, with what comes before it and the locks that are held; false: there is no room.
    [[nodiscard]] bool identify(const present& at, access_record& made, await_site where);

private:
    struct guard {
        const void* variable = nullptr;
        record_pointer test;
    };
    struct guarded_effect {
        guard by;
        const void* variable = nullptr;
        record_pointer effect;
    };
    struct variable_state {
        explicit variable_state(std::size_t capacity) : history(capacity) {}
        variable_label label;
        variable_history history;
        std::vector<guarded_effect> effects;  ///< of tests of this variable
    };
    struct group_progress {
        std::uint32_t read = 0;  ///< the members that were, since all had been
        std::uint32_t written = 0;
    };
    struct group_state {
        explicit group_state(std::size_t capacity) : history(capacity) {}
        variable_label label;
        std::vector<const void*> members;
        std::unordered_map<std::uint64_t, group_progress> progress;  ///< of units
        variable_history history;
    };
    struct unjudged {
        const void* object = nullptr;  ///< a variable or a group
        variable_history::pointer record;
        bool is_group = false;
        const variable_cell* cell = nullptr;  ///< knows the segment's last line
    };

    [[nodiscard]] variable_state& variable_at(const annotated_access& made);
    void note_granule(const access_record& part, const void* granule, std::uint8_t bytes,
                      const coroscope::detail::access& made);
    void make_room(const void* granule);
    void share(const void* granule, private_memory::granule& which);
    [[nodiscard]] const access_record* present_part(const present& at);
    [[nodiscard]] static record_pointer previous_of(const variable_history& in,
                                                    const access_record& made);
    void add_to_groups(const access_record& made, const void* object, std::uint64_t unit);
    static void take_last_line(unjudged& of) noexcept;
    void judge(const unjudged& what);
    void judge_as_second(const unjudged& what, const variable_history& in,
                         const variable_label& label);
    void judge_as_other(const unjudged& what, const variable_history& in,
                        const variable_label& label);
    void judge_effect(const unjudged& what);
    void judge_change(const unjudged& what, const variable_state& changed);
    void judge_triple(bool is_group, const access_triple& of, const variable_label& label);
    void report_guard(const access_triple& of, const void* tested, const void* written);

    const coroscope::detail::loop_core& core_;
    race_units& units_;
    race_log& log_;
    std::size_t capacity_;
    std::uint64_t next_order_ = 1;
    std::uint64_t segment_ = 0;  ///< of `last_`, where steps are not told
    present last_;
    std::map<const void*, variable_state, std::less<>> variables_;
    private_memory private_;
    std::unordered_map<const void*, group_state> groups_;
    std::unordered_map<std::uint64_t, std::vector<guard>> guards_;  ///< of units
    std::vector<unjudged> unjudged_;
    std::size_t first_with_cell_ = 0;  ///< of them; those before have given theirs up
};

}  // namespace coroscope::instrumentation::detail
