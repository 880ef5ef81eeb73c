// SPDX-License-Identifier: Apache-2.0
#include "thread_clocks.hpp"

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t most_ordering_objects = std::size_t{1} << 16U;

[[nodiscard]] std::uintptr_t address_of(const void* object) noexcept {
    return reinterpret_cast<std::uintptr_t>(object);
}

}  // namespace

growing_clock& thread_clocks::object_at(const void* object) {
    const auto found = objects_.find(address_of(object));
    if (found != objects_.end()) { return found->second; }
    if (objects_.size() < most_ordering_objects) { return objects_[address_of(object)]; }
    // Too much order hides something, too little would tell of what is right.
    for (const auto& [address, clock] : objects_) {
        any_object_.take(clock.get());
    }
    objects_.clear();
    return objects_[address_of(object)];
}

void thread_clocks::take(growing_clock& to, const void* object) const {
    to.take(any_object_.get());
    const auto found = objects_.find(address_of(object));
    if (found != objects_.end()) { to.take(found->second.get()); }
}

void thread_clocks::note(std::uint64_t unit, const void* object, thread_order how) {
    auto& who = units_.at(unit);
    switch (how) {
    case thread_order::release: units_.publish(who, object_at(object)); break;
    case thread_order::acquire: take(who.clock, object); break;
    case thread_order::weak_store: {
        const auto own = fences_.find(unit);
        if (own != fences_.end()) { object_at(object).take(own->second.given.get()); }
        break;
    }
    case thread_order::weak_load: take(fences_[unit].taken, object); break;
    case thread_order::release_fence: units_.publish(who, fences_[unit].given); break;
    case thread_order::acquire_fence: who.clock.take(fences_[unit].taken.get()); break;
    }
}

void thread_clocks::end(std::uint64_t unit) {
    fences_.erase(unit);
    units_.end(unit);
}

void thread_clocks::forget(const void* begin, std::size_t bytes) noexcept {
    objects_.erase(objects_.lower_bound(address_of(begin)),
                   objects_.lower_bound(address_of(begin) + bytes));
}

void thread_clocks::forget_objects() noexcept {
    objects_.clear();
    fences_.clear();
    any_object_ = {};
}

bool thread_clocks::stamp(std::uint64_t unit, thread_stamp& made) {
    if (!units_.stamp(units_.at(unit), made.slot, made.time, made.clock)) { return false; }
    made.clock.raise(made.slot.slot(), made.time);
    return true;
}

}  // namespace coroscope::instrumentation::detail
