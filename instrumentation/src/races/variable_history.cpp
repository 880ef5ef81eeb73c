// SPDX-License-Identifier: Apache-2.0
#include "variable_history.hpp"

#include "kept_records.hpp"

#include <utility>

namespace coroscope::instrumentation::detail {

void variable_history::add(const pointer& made, record_pointer previous) {
    made->previous = std::move(previous);
    made->place = deed_at(*made);
    const auto before = made->previous != nullptr ? made->previous->place : 0;
    made->path = hash_of_both(before, made->place);
    auto same = records_.size();
    std::size_t like = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
        auto& each = *records_[i];
        if (each.path == made->path) {
            ++like;
            if (each.who->agent == made->who->agent) { same = i; }
        }
        if (&each != made->previous.get()) { continue; }
        if (each.is_write() || made->is_write()) { each.is_followed = true; }  // else not yet
    }
    if (same != records_.size()) {
        drop_record(records_, same);
    } else if (records_.size() == capacity_) {
        make_room(records_, made->path, like);
    }
    records_.push_back(made);
}

access_record* variable_history::find(std::uint64_t segment, access_kind kind) const noexcept {
    const auto place = place_in(segment, kind);
    return place != nullptr ? place->get() : nullptr;
}

record_pointer variable_history::read_in(std::uint64_t segment) const noexcept {
    const auto place = place_in(segment, access_kind::read);
    return place != nullptr ? *place : nullptr;
}

// Numbers of segments grow, on one thread: what is before an earlier one is earlier.
const variable_history::pointer* variable_history::place_in(std::uint64_t segment,
                                                            access_kind kind) const noexcept {
    for (auto each = records_.rbegin(); each != records_.rend(); ++each) {
        if ((*each)->segment == segment && (*each)->kind == kind) { return &*each; }
        if ((*each)->segment < segment) { break; }
    }
    return nullptr;
}

record_pointer variable_history::last_of(const schedule_policy::agent& unit,
                                         std::uint64_t before_segment,
                                         std::optional<access_kind> kind) const noexcept {
    for (auto each = records_.rbegin(); each != records_.rend(); ++each) {
        const auto& made = **each;
        if (made.who->agent == unit && made.segment != before_segment
            && (!kind.has_value() || made.kind == *kind)) {
            return *each;
        }
    }
    return nullptr;
}

}  // namespace coroscope::instrumentation::detail
