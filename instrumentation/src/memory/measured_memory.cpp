// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/measured_memory.hpp>

#include "allocation_attribution.hpp"
#include "allocation_table.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <coroscope/runtime/detail/task_core.hpp>

#include <map>
#include <tuple>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::running_loop;

time_point time_here() noexcept {
    return running_loop != nullptr
               ? running_loop->time->now()
               : std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
}

/// What `earlier` has of the same places is taken off. Places are added and never moved, so that
/// those of before come first and in the same order.
void take_off(memory_snapshot& from, const memory_snapshot& earlier) {
    for (std::size_t i = 0; i < earlier.places.size() && i < from.places.size(); ++i) {
        from.places[i].amounts -= earlier.places[i].amounts;
    }
    std::erase_if(from.places, [](const auto& each) { return each.amounts == memory_amounts{}; });
}

}  // namespace

void memory_statistics::add(time_point completed_at, memory_snapshot change,
                            call_outcome outcome) noexcept {
    const std::lock_guard lock(mutex_);
    ++stats_.calls;
    switch (outcome) {
    case call_outcome::returned: ++stats_.returned; break;
    case call_outcome::threw: ++stats_.threw; break;
    case call_outcome::cancelled: ++stats_.cancelled; break;
    }
    stats_.total += change.total();
    recent_.push_back({completed_at, std::move(change)});
    if (recent_.size() > recent_calls_) {
        recent_.pop_front();
        ++stats_.recent_dropped;
    }
}

memory_stats memory_statistics::read(memory_key by, const memory_filter& filter) const {
    const unwatched_memory mine;
    memory_stats copy;
    std::deque<finished_call> calls;
    {
        const std::lock_guard lock(mutex_);
        copy = stats_;
        calls = recent_;
    }
    for (const auto& call : calls) {
        copy.recent.push_back({call.completed_at.time_since_epoch(), call.change.rows(by, filter)});
    }
    return copy;
}

memory_meter::memory_meter(memory_statistics& statistics, call_outcome outcome)
    : statistics_(&statistics),
      outcome_(outcome) {
    const unwatched_memory mine;
    std::tie(loop_id_, who_) = whoever_runs();
    process_allocations.read(before_, loop_id_, who_);
}

memory_meter::~memory_meter() {
    const unwatched_memory mine;
    memory_snapshot now;
    process_allocations.read(now, loop_id_, who_);
    take_off(now, before_);
    statistics_->add(time_here(), std::move(now), outcome_);
}

}  // namespace coroscope::instrumentation::detail
