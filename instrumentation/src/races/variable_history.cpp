// SPDX-License-Identifier: Apache-2.0
#include "variable_history.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] bool is_alike(const access_record& a, const access_record& b) noexcept {
    if (a.who->agent != b.who->agent || a.kind != b.kind || !is_one_place(a, b)) { return false; }
    if (a.previous == nullptr || b.previous == nullptr) { return a.previous == b.previous; }
    return is_one_place(*a.previous, *b.previous);
}

}  // namespace

// Windows end at the oldest that is kept: a chain of all accesses would grow without end.
void variable_history::drop(std::size_t place) noexcept {
    records_[place]->previous = nullptr;
    records_.erase(records_.begin() + static_cast<std::ptrdiff_t>(place));
}

void variable_history::add(const pointer& made, record_pointer previous) {
    made->previous = std::move(previous);
    const auto same = std::find_if(records_.begin(), records_.end(),
                                   [&](const auto& each) { return is_alike(*each, *made); });
    if (same != records_.end()) {
        drop(static_cast<std::size_t>(std::distance(records_.begin(), same)));
    } else if (records_.size() == capacity_) {
        drop(0);
    }
    records_.push_back(made);
}

template <class Is>
const variable_history::pointer* variable_history::newest(const Is& is) const noexcept {
    const auto found = std::find_if(records_.rbegin(), records_.rend(),
                                    [&](const pointer& each) { return is(*each); });
    return found != records_.rend() ? &*found : nullptr;
}

access_record* variable_history::find(std::uint64_t segment, access_kind kind) const noexcept {
    const auto* const found = newest(
        [&](const access_record& each) { return each.segment == segment && each.kind == kind; });
    return found != nullptr ? found->get() : nullptr;
}

record_pointer variable_history::read_in(std::uint64_t segment) const noexcept {
    const auto* const found = newest(
        [&](const access_record& each) { return each.segment == segment && !each.is_write(); });
    return found != nullptr ? *found : nullptr;
}

record_pointer variable_history::last_of(const schedule_policy::agent& unit,
                                         std::uint64_t before_segment,
                                         std::optional<access_kind> kind) const noexcept {
    const auto* const found = newest([&](const access_record& each) {
        return each.who->agent == unit && each.segment != before_segment
               && (!kind.has_value() || each.kind == *kind);
    });
    return found != nullptr ? *found : nullptr;
}

}  // namespace coroscope::instrumentation::detail
