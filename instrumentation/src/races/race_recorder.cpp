// SPDX-License-Identifier: Apache-2.0
#include "race_recorder.hpp"

#include "granules.hpp"
#include "segment_numbers.hpp"

#include <coroscope/instrumentation/detail/own_await.hpp>

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/handle.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <string_view>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::task_core;

constexpr std::size_t most_guards = 8;
/// Of variables, with what the compiler saw; then all are forgotten, and it begins anew.
constexpr std::size_t most_granules = 1U << 17U;

/// The awaits through which the task came to the coroutine that runs.
[[nodiscard]] creation_origin callers_of(const task_core& task) noexcept {
    std::array<await_site, creation_origin::most_sites> sites{};
    std::size_t count = 0;
    const auto* frame = task.top != nullptr ? task.top->parent : nullptr;
    for (; frame != nullptr && count < sites.size(); frame = frame->parent) {
        sites[count++] = frame->site;
    }
    return creation_origin::of({sites.data(), count});
}

[[nodiscard]] std::shared_ptr<unit_facts> facts_of_task(const task_core& task) {
    const auto& record = task.record();
    const auto origin = record.origin.load(std::memory_order_relaxed);
    return std::make_shared<unit_facts>(
        unit_facts{{task.id(), true}, std::string(task.given_name()), origin.call(), origin});
}

}  // namespace

race_recorder::present race_recorder::now() const noexcept {
    if (coroscope::detail::running_loop != &core_) { return {}; }
    if (const auto* task = core_.current.get(); task != nullptr) {
        const auto sequence = task->record().sequence.load(std::memory_order_relaxed);
        return {race_units::key_of({task->id(), true}),
                static_cast<std::uint32_t>(task_record::steps_at(sequence))};
    }
    if (const auto* handle = core_.callback.get(); handle != nullptr) {
        return {race_units::key_of({handle->id, false}), 0};
    }
    return {};
}

// It counts once more at the end of its step.
bool race_recorder::is_still_at(std::uint64_t key, std::uint32_t step) const noexcept {
    for (const auto* task = core_.first_task; task != nullptr; task = task->next) {
        if (race_units::key_of({task->id(), true}) != key) { continue; }
        const auto sequence = task->record().sequence.load(std::memory_order_relaxed);
        return static_cast<std::uint32_t>(task_record::steps_at(sequence - 1)) == step;
    }
    return false;
}

std::uint64_t race_recorder::segment_of(const present& at) noexcept {
    if (current_segment != 0) { return current_segment; }
    if (at.key != last_.key || at.step != last_.step || segment_ == 0) {
        last_ = at;
        segment_ = next_segment_number();
    }
    return segment_;
}

std::shared_ptr<const unit_facts> race_recorder::who(const present& at) {
    if (at.key == 0) { return nullptr; }
    auto& facts = units_.at(at.key).facts;
    if (facts != nullptr) { return facts; }
    const auto* task = core_.current.get();
    facts = task != nullptr ? facts_of_task(*task)
                            : std::make_shared<unit_facts>(unit_facts{
                                race_units::agent_of(at.key), {}, core_.callback_created_at, {}});
    return facts;
}

void race_recorder::locate(const present& at, access_record& made, await_site where) {
    made.who = who(at);
    const auto* task = core_.current.get();
    made.step = at.step;
    made.segment = segment_of(at);
    made.order = next_order_++;
    made.where = where;
    if (at.key != 0) { made.benign = units_.at(at.key).benign.reason(); }
    if (task != nullptr) {
        made.resumed_at = task->record().site.load(std::memory_order_relaxed);
        made.awaited_in = own_await(task->top, made.resumed_at);
        made.callers = callers_of(*task);
    }
}

bool race_recorder::identify(const present& at, access_record& made, await_site where) {
    locate(at, made, where);
    auto& unit = units_.at(at.key);
    made.locks = locks_of(at.key);
    return units_.stamp(unit, made);
}

// A task that awaits another lends it its locks.
std::shared_ptr<const lock_set> race_recorder::locks_of(std::uint64_t key) const {
    const auto* unit = units_.find(key);
    auto held = unit != nullptr ? unit->locks : nullptr;
    const auto* task = core_.current.get();
    if (units_.holders() == (held != nullptr ? 1U : 0U) || task == nullptr) { return held; }
    std::vector<task_core*> waiting;
    task->collect_awaiting(waiting);
    constexpr std::size_t most = 16;
    auto all = held;
    for (std::size_t i = 0; i < waiting.size() && i < most; ++i) {
        const auto* lender = units_.find(race_units::key_of({waiting[i]->id(), true}));
        if (lender != nullptr && lender->locks != nullptr) {
            auto both = std::make_shared<lock_set>(*lender->locks);
            for (auto& lent : *both) {
                lent.step = 0;  // held before the borrower began
            }
            if (all != nullptr) { both->insert(both->end(), all->begin(), all->end()); }
            all = std::move(both);
        }
        waiting[i]->collect_awaiting(waiting);
    }
    return all;
}

race_recorder::variable_state& race_recorder::variable_at(const annotated_access& made) {
    auto& state = variables_.try_emplace(made.object, capacity_).first->second;
    if (state.label.name == nullptr && made.label.name != nullptr) { state.label = made.label; }
    if (state.label.created_at.line() == 0) { state.label.created_at = made.label.created_at; }
    return state;
}

std::uint64_t race_recorder::note(const annotated_access& made) {
    const auto at = now();
    if (at.key == 0) { return 0; }  // outside of the loop nothing runs beside it
    const auto segment = segment_of(at);
    if (!unjudged_.empty() && unjudged_.back().record->segment != segment) { settle(); }
    auto& variable = variable_at(made);
    if (auto* same = variable.history.find(segment, made.kind); same != nullptr) {
        if (made.value == written_value::derived && made.from.segment != segment) {
            same->value = made.value;
            same->derived_from = made.from.segment;
        }
        same->where = made.where;
        return segment;
    }
    auto record = std::make_shared<access_record>();
    record->kind = made.kind;
    record->value = made.value;
    record->derived_from = made.from.object == made.object ? made.from.segment : 0;
    if (!identify(at, *record, made.where)) {
        log_.count_dropped();
        return segment;
    }
    if (made.from.object != nullptr) { note_value_used(made.from, value_use::computed); }
    variable.history.add(record, previous_of(variable.history, *record));
    // Where nobody tells of the ends of steps, every access is told, and its line with it.
    unjudged_.push_back({made.object, record, false, current_segment != 0 ? made.cell : nullptr});
    add_to_groups(*record, made.object, at.key);
    return segment;
}

void race_recorder::note_single(const coroscope::detail::access& made) {
    const auto at = now();
    if (at.key == 0 || made.bytes == 0) { return; }
    const auto* const part = present_part(at);
    if (part == nullptr) {
        log_.count_dropped();
        return;
    }
    if (!unjudged_.empty() && unjudged_.back().record->segment != part->segment) { settle(); }
    for_each_granule(made, [&](std::uintptr_t granule, std::uint8_t bytes) {
        auto& memory = private_.at(granule);
        if (private_.keep(memory, {made.code, 0, made.kind, bytes})) { return; }
        const auto* const address = reinterpret_cast<const void*>(granule);  // NOLINT: as it was
        if (!memory.is_shared()) { share(address, memory); }
        note_granule(*part, address, bytes, made);
    });
}

/// Null: there is no room for another unit.
const access_record* race_recorder::present_part(const present& at) {
    const auto segment = segment_of(at);
    if (const auto* known = private_.part_of(segment); known != nullptr) { return known; }
    auto made = std::make_shared<access_record>();
    if (!identify(at, *made, {})) { return nullptr; }
    next_order_ += private_memory::most_kept;
    private_.begin_part(std::move(made));
    return private_.part_of(segment);
}

std::shared_ptr<const access_record> race_recorder::part_now() {
    const auto at = now();
    return at.key != 0 && present_part(at) != nullptr ? private_.present() : nullptr;
}

/// Where there are too many, all is forgotten.
void race_recorder::make_room(const void* granule) {
    if (variables_.size() < most_granules || variables_.contains(granule)) { return; }
    settle();
    variables_.clear();
    log_.count_dropped();
}

/// Another unit has come: what the first one did is what it would have been without delay.
void race_recorder::share(const void* granule, private_memory::granule& which) {
    make_room(granule);
    auto& history = variables_.try_emplace(granule, capacity_).first->second.history;
    const auto records = private_.share(which);
    for (const auto& each : records) {
        history.add(each, previous_of(history, *each));
    }
    for (const auto& each : records) {
        if (!each->is_write()) { continue; }
        auto* const read = history.find(each->segment, access_kind::read);
        if (read == nullptr) { continue; }
        read->value = written_value::update;
        each->value = written_value::update;
    }
}

void race_recorder::note_granule(const access_record& part, const void* granule, std::uint8_t bytes,
                                 const coroscope::detail::access& made) {
    make_room(granule);
    auto& variable = variables_.try_emplace(granule, capacity_).first->second;
    name_bytes(variable.label, granule, bytes);
    if (auto* same = variable.history.find(part.segment, made.kind); same != nullptr) {
        same->bytes |= bytes;
        return;
    }
    auto record = std::make_shared<access_record>(part);
    record->order = next_order_++;
    record->kind = made.kind;
    record->bytes = bytes;
    record->code = made.code;
    record->is_computed = made.kind == access_kind::read;
    variable.history.add(record, previous_of(variable.history, *record));
    unjudged_.push_back({granule, record, false, nullptr});
}

// What a value was computed from is what its write has to fit, whatever was read in between. After
// a read in the same segment, that is what follows what came before.
record_pointer race_recorder::previous_of(const variable_history& in, const access_record& made) {
    const bool is_stale = made.value == written_value::derived && made.derived_from != made.segment;
    if (is_stale) {
        if (auto read = in.read_in(made.derived_from); read != nullptr) { return read; }
    }
    const auto& unit = made.who->agent;
    if (!made.is_write() || in.find(made.segment, access_kind::read) == nullptr) {
        return in.last_of(unit, made.segment);
    }
    return made.value == written_value::unknown ? in.last_of(unit, made.segment, access_kind::read)
                                                : nullptr;
}

void race_recorder::note_value_used(const provenance& from, value_use how) {
    const auto variable = variables_.find(from.object);
    if (variable == variables_.end()) { return; }
    auto* read = variable->second.history.find(from.segment, access_kind::read);
    if (read == nullptr) { return; }
    (how == value_use::tested ? read->is_tested : read->is_computed) = true;
    if (how != value_use::tested) { return; }
    auto& guards = guards_[race_units::key_of(read->who->agent)];
    std::erase_if(guards, [&](const guard& g) { return g.variable == from.object; });
    keep_newest(guards, {from.object, variable->second.history.read_in(from.segment)}, most_guards);
}

void race_recorder::note_group(const void* group, const variable_label& label,
                               std::span<const void* const> members) {
    auto& state = groups_.try_emplace(group, capacity_).first->second;
    state.label = label;
    state.members.assign(members.begin(), members.end());
}

void race_recorder::add_to_groups(const access_record& made, const void* object,
                                  std::uint64_t unit) {
    for (auto& [address, group] : groups_) {
        const auto member = std::ranges::find(group.members, object);
        if (member == group.members.end()) { continue; }
        auto record = std::make_shared<access_record>(made);
        record->member = static_cast<std::uint32_t>(member - group.members.begin());
        auto& progress = group.progress[unit];
        auto& done = made.is_write() ? progress.written : progress.read;
        done |= std::uint32_t{1} << record->member;
        const auto all = (std::uint64_t{1} << group.members.size()) - 1;
        record->is_whole = done == all;
        if (record->is_whole) { done = 0; }
        auto previous = group.history.last_of(made.who->agent, made.segment, made.kind);
        group.history.add(record, std::move(previous));
        unjudged_.push_back({address, record, true, nullptr});
    }
}

void race_recorder::note_benign(const char* reason) {
    const auto at = now();
    if (at.key == 0) { return; }
    units_.at(at.key).benign.note(reason);
    split_segment();  // accesses within the scope are others than those before
}

void race_recorder::split_segment() noexcept {
    const coroscope::detail::own_accesses inside;
    end_part();
    forget_cells();
    if (current_segment != 0) { current_segment = next_segment_number(); }
    segment_ = 0;
}

void race_recorder::forget_variable(const void* object, std::size_t bytes) {
    private_.forget(reinterpret_cast<std::uintptr_t>(object), bytes);
    const auto* const end = static_cast<const std::byte*>(object) + bytes;
    if (variables_.lower_bound(object) == variables_.lower_bound(end)) { return; }
    settle();
    variables_.erase(variables_.lower_bound(object), variables_.lower_bound(end));
    for (auto& [unit, guards] : guards_) {
        std::erase_if(guards, [&](const guard& g) {
            return std::less_equal<const void*>()(object, g.variable)
                   && std::less<const void*>()(g.variable, end);
        });
    }
}

void race_recorder::forget_all() {
    settle();
    end_part();
    private_.forget_all();
    variables_.clear();
    guards_.clear();
}

void race_recorder::end_unit(std::uint64_t key) {
    settle();
    end_part();
    guards_.erase(key);
    for (auto& [address, group] : groups_) {
        group.progress.erase(key);
    }
}

void race_recorder::take_last_line(unjudged& of) noexcept {
    if (of.cell == nullptr) { return; }
    const auto line = of.cell->last_line(of.record->kind, of.record->segment);
    if (line.line() != 0) { of.record->where = line; }
    of.cell = nullptr;
}

void race_recorder::forget_cell(const variable_cell& cell) noexcept {
    for (auto& each : unjudged_) {
        if (each.cell == &cell) { take_last_line(each); }
    }
}

void race_recorder::forget_cells() noexcept {
    for (; first_with_cell_ < unjudged_.size(); ++first_with_cell_) {
        take_last_line(unjudged_[first_with_cell_]);
    }
}

void race_recorder::settle() {
    auto ended = std::exchange(unjudged_, {});
    first_with_cell_ = 0;
    for (auto& each : ended) {
        take_last_line(each);
    }
    // What a value that was read became decides how its segment's write is to be seen.
    for (const auto& each : ended) {
        const auto& variable = variables_.find(each.object);
        if (each.is_group || variable == variables_.end() || !each.record->is_write()) { continue; }
        auto* read = variable->second.history.find(each.record->segment, access_kind::read);
        const bool is_fresh =
            read != nullptr && read->is_used() && each.record->value == written_value::unknown;
        if (is_fresh) { each.record->value = written_value::update; }
        if (read != nullptr && read->is_used()) { read->value = written_value::update; }
    }
    for (const auto& each : ended) {
        judge(each);
    }
}

}  // namespace coroscope::instrumentation::detail
