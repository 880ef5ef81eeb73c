// SPDX-License-Identifier: Apache-2.0
#include "unit_orders.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>

#include <utility>

namespace coroscope::instrumentation::detail {

namespace {

/// The unit that is code outside of the loop's run; no callback has the number 0.
constexpr std::uint64_t outside = race_units::key_of({0, false});

}  // namespace

void unit_orders::note_edge(edge_kind kind, std::uint64_t from, std::uint64_t to,
                            std::uint64_t now) {
    auto by = from != 0 ? race_units::key_of({from, true}) : now;
    if (by == 0 && coroscope::detail::running_loop == nullptr) {
        note_outside();
        by = outside;
    }
    switch (kind) {
    case edge_kind::spawn: units_.spawn(by, race_units::key_of({to, true})); break;
    case edge_kind::post: note_posted(by, to); break;
    case edge_kind::mutex:
    case edge_kind::timer:
    case edge_kind::io: break;
    case edge_kind::join:
    case edge_kind::future:
    case edge_kind::event:
    case edge_kind::condition:
    case edge_kind::semaphore:
    case edge_kind::barrier:
    case edge_kind::queue: units_.order(by, race_units::key_of({to, true})); break;
    }
}

void unit_orders::note_use(const coroscope::detail::access& made, std::uint64_t now) {
    using coroscope::detail::access_kind;
    auto by = now != 0 ? now : ending_;
    if (by == 0 && coroscope::detail::running_loop == nullptr) {
        note_outside();
        by = outside;
    }
    if (by == 0) { return; }
    if (made.kind == access_kind::release) {
        auto* unit = units_.find(by);
        if (unit == nullptr) { return; }
        if (objects_.size() == most_objects && !objects_.contains(made.object)) {
            objects_.erase(objects_.begin());
            log_.count_dropped();
        }
        release(*unit, objects_[made.object], made.id);
    } else if (made.kind == access_kind::acquire) {
        const auto object = objects_.find(made.object);
        if (object != objects_.end()) { acquire(units_.at(by), object->second, made.id); }
    }
}

// Where too many are never got, the oldest orders whoever comes.
void unit_orders::release(race_unit& by, object_order& object, std::uint64_t number) {
    if (number == 0) {
        units_.publish(by, object.clock);
        return;
    }
    object.items[number].join(units_.published(by));
    if (object.items.size() <= most_items) { return; }
    object.clock.take(object.items.begin()->second);
    object.items.erase(object.items.begin());
    log_.count_dropped();
}

void unit_orders::acquire(race_unit& by, object_order& object, std::uint64_t number) {
    by.clock.take(object.clock.get());
    if (number == 0) {
        for (const auto& [item, clock] : object.items) {
            by.clock.take(clock);
        }
        return;
    }
    const auto item = object.items.find(number);
    if (item == object.items.end()) { return; }
    by.clock.take(item->second);
    object.items.erase(item);
}

// Between two runs of the loop, all that ran has come before.
void unit_orders::note_outside() {
    if (!std::exchange(has_run_, false)) { return; }
    units_.gather(outside);
}

// A callback that is cancelled never begins.
void unit_orders::note_posted(std::uint64_t by, std::uint64_t handle) {
    auto* unit = units_.find(by);
    if (unit == nullptr) { return; }
    if (posted_first_.size() == most_posted) {
        if (posted_.erase(posted_first_.front()) != 0) { log_.count_dropped(); }
        posted_first_.pop_front();
    }
    posted_[handle].join(units_.published(*unit));
    posted_first_.push_back(handle);
}

void unit_orders::begin_callback(std::uint64_t handle, const void* address) {
    const auto known = posted_.find(handle);
    if (known != posted_.end()) {
        units_.at(race_units::key_of({handle, false})).clock = growing_clock(known->second);
        posted_.erase(known);
    }
    const auto mailed = objects_.find(address);
    if (mailed == objects_.end()) { return; }
    units_.at(race_units::key_of({handle, false})).clock.take(mailed->second.clock.get());
    objects_.erase(mailed);
}

void unit_orders::end(std::uint64_t key) {
    units_.end(key);
    ending_ = key;
}

}  // namespace coroscope::instrumentation::detail
