// SPDX-License-Identifier: Apache-2.0
#include "race_units.hpp"

namespace coroscope::instrumentation::detail {

race_unit* race_units::find(std::uint64_t key) noexcept {
    const auto found = units_.find(key);
    return found != units_.end() ? &found->second : nullptr;
}

void race_units::publish(race_unit& from, growing_clock& to) {
    to.take(from.clock.get());
    if (from.slot == clock_slots::none) { return; }
    to.raise(from.slot, slots_.time(from.slot));
    from.is_published = true;
}

race_clock race_units::published(race_unit& from) {
    growing_clock made;
    publish(from, made);
    return made.get();
}

void race_units::spawn(std::uint64_t creator, std::uint64_t child) {
    auto* const by = find(creator);
    at(child).clock = growing_clock(by != nullptr ? published(*by) : race_clock());
}

void race_units::order(std::uint64_t from, std::uint64_t to) {
    auto* const before = find(from);
    if (before != nullptr && from != to) { publish(*before, at(to).clock); }
}

void race_units::gather(std::uint64_t to) {
    auto& after = at(to);
    for (auto& [key, unit] : units_) {
        if (key != to) { publish(unit, after.clock); }
    }
}

void race_units::end(std::uint64_t key) {
    auto* const unit = find(key);
    if (unit == nullptr) { return; }
    if (unit->facts != nullptr) { unit->facts->has_ended.set(); }
    ended_.push_back(key);
    if (ended_.size() <= ended_kept) { return; }
    const auto oldest = units_.find(ended_.front());
    ended_.pop_front();
    if (oldest == units_.end()) { return; }
    if (oldest->second.slot != clock_slots::none) { slots_.give_back(oldest->second.slot); }
    set_locks(oldest->second, nullptr);
    units_.erase(oldest);
}

bool race_units::stamp(race_unit& unit, slot_memory& slot, std::uint32_t& time, race_clock& clock) {
    if (unit.slot == clock_slots::none) {
        unit.slot = slots_.take(unit.clock.get());
        if (unit.slot == clock_slots::none) { return false; }
    } else if (unit.is_published) {
        slots_.advance(unit.slot);
    }
    unit.is_published = false;
    slot = slot_memory(slots_, unit.slot);
    time = slots_.time(unit.slot);
    clock = unit.clock.get();
    return true;
}

}  // namespace coroscope::instrumentation::detail
