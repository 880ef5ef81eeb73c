// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/slow_log.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation {
namespace {

/// Heap order: the front is the one that goes first.
bool goes_later(const report::slow_step& a, const report::slow_step& b) {
    return a.wall != b.wall ? a.wall > b.wall : a.sequence < b.sequence;
}

bool recorded_earlier(const report::slow_step& a, const report::slow_step& b) {
    return a.sequence < b.sequence;
}

}  // namespace

slow_log::slow_log(std::size_t capacity) : capacity_(capacity) {}

std::vector<report::slow_step> slow_log::records() const {
    std::vector<report::slow_step> copies;
    {
        const std::lock_guard lock(mutex_);
        copies = heap_;
    }
    std::sort(copies.begin(), copies.end(), recorded_earlier);
    return copies;
}

std::uint64_t slow_log::dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
}

std::optional<duration> slow_log::threshold() const noexcept {
    const auto highest = highest_threshold_.load(std::memory_order_relaxed);
    return highest < 0 ? std::nullopt : std::optional(duration(highest));
}

bool slow_log::has_room_for(duration wall) noexcept {
    const std::lock_guard lock(mutex_);
    if (heap_.size() < capacity_ || (!heap_.empty() && heap_.front().wall < wall)) { return true; }
    ++dropped_;
    return false;
}

void slow_log::add(report::slow_step step) {
    const std::lock_guard lock(mutex_);
    heap_.push_back(std::move(step));
    std::push_heap(heap_.begin(), heap_.end(), goes_later);
    if (heap_.size() > capacity_) {
        std::pop_heap(heap_.begin(), heap_.end(), goes_later);
        heap_.pop_back();
        ++dropped_;
    }
}

void slow_log::amend(std::uint64_t sequence,
                     const std::function<void(report::slow_step&)>& change) {
    const std::lock_guard lock(mutex_);
    for (auto& step : heap_) {
        if (step.sequence == sequence) { change(step); }
    }
}

void slow_log::count_dropped() noexcept {
    const std::lock_guard lock(mutex_);
    ++dropped_;
}

void slow_log::note_threshold(duration threshold) noexcept {
    const auto now = threshold.count();
    auto highest = highest_threshold_.load(std::memory_order_relaxed);
    while (highest < now
           && !highest_threshold_.compare_exchange_weak(highest, now, std::memory_order_relaxed)) {}
}

std::vector<report::slow_step> merged_records(
    std::span<const std::shared_ptr<const slow_log>> logs) {
    std::vector<report::slow_step> all;
    for (const auto& log : logs) {
        const auto records = log->records();
        all.insert(all.end(), records.begin(), records.end());
    }
    std::sort(all.begin(), all.end(), recorded_earlier);
    return all;
}

}  // namespace coroscope::instrumentation
