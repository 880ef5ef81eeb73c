// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/call_statistics.hpp>

#include "fork_safe_mutex.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::tick_clock;
using std::chrono::nanoseconds;

// Each value of a call is stored with release and read with acquire: who has read one of it sees
// the sequence as it was when that was written, or later.

template <class T>
void put(std::atomic<T>& into, T value) noexcept {
    into.store(value, std::memory_order_release);
}

template <class T>
[[nodiscard]] T get(const std::atomic<T>& from) noexcept {
    return from.load(std::memory_order_acquire);
}

[[nodiscard]] nanoseconds length_of(const ended_call& call) noexcept {
    return call.has_stamps ? tick_clock::to_duration(static_cast<std::uint64_t>(call.delta))
                           : nanoseconds(call.delta);
}

[[nodiscard]] report::call_record record_of(const ended_call& call) noexcept {
    const auto stamp = static_cast<std::uint64_t>(call.start);
    const auto start =
        call.has_stamps ? tick_clock::to_time(stamp).time_since_epoch() : nanoseconds(call.start);
    const auto delta = length_of(call);
    return {start, start + delta, delta};
}

/// Of some calls.
struct call_sums {
    nanoseconds min = nanoseconds::max();
    nanoseconds max = nanoseconds::min();
    nanoseconds last{0};
    nanoseconds total{0};
    std::int64_t busy_ticks = 0;
    std::uint64_t threw = 0;
    std::uint64_t cancelled = 0;

    void add(const ended_call& call) noexcept {
        last = length_of(call);
        min = std::min(min, last);
        max = std::max(max, last);
        total += last;
        busy_ticks += call.busy_ticks;
        threw += call.outcome == call_outcome::threw ? 1U : 0U;
        cancelled += call.outcome == call_outcome::cancelled ? 1U : 0U;
    }
};

template <class Published>
[[nodiscard]] call_sums copy_of(const Published& sums) noexcept {
    return {get(sums.min),        get(sums.max),   get(sums.last),     get(sums.total),
            get(sums.busy_ticks), get(sums.threw), get(sums.cancelled)};
}

/// Statistics whose handles have gone and whose calls go on: the newest of a list.
struct orphans {
    fork_safe_mutex lock;
    call_statistics* newest = nullptr;
};

constinit orphans all_orphans;

}  // namespace

call_counters::call_counters(std::size_t recent_calls)
    : recent_calls_(recent_calls),
      room_(std::max(recent_calls, 2 * added_at_once)),
      ring_(std::make_unique<published_call[]>(room_)) {}

void call_counters::add(const ended_call& call) noexcept {
    const auto sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    const auto place = next_.load(std::memory_order_relaxed);
    put(ring_[place].start, call.start);
    put(ring_[place].delta, call.delta);
    put(ring_[place].busy_ticks, call.busy_ticks);
    put(ring_[place].outcome, call.outcome);
    put(ring_[place].has_stamps, call.has_stamps);
    next_.store(place + 1 == room_ ? 0 : place + 1, std::memory_order_relaxed);
    const auto calls = sequence / 2 + 1;
    if (calls % added_at_once == 0) { add_up(place, calls); }
    sequence_.store(sequence + 2, std::memory_order_release);
}

ended_call call_counters::call_at(std::size_t place) const noexcept {
    const auto& from = ring_[place];
    return {get(from.start), get(from.delta), get(from.busy_ticks), get(from.outcome),
            get(from.has_stamps)};
}

/// The last calls, of `calls` in all.
void call_counters::add_up(std::size_t last_place, std::uint64_t calls) noexcept {
    auto sums = copy_of(sums_of(calls - added_at_once));
    auto place = last_place + 1 + room_ - added_at_once;
    for (std::size_t i = 0; i < added_at_once; ++i, ++place) {
        sums.add(call_at(place < room_ ? place : place - room_));
        lengths_.add(sums.last);
    }
    auto& next = sums_[calls / added_at_once % 2];
    put(next.min, sums.min);
    put(next.max, sums.max);
    put(next.last, sums.last);
    put(next.total, sums.total);
    put(next.busy_ticks, sums.busy_ticks);
    put(next.threw, sums.threw);
    put(next.cancelled, sums.cancelled);
}

/// False if calls were added up twice meanwhile. `lengths` are there already.
bool call_counters::read_sums(report::time_stats& into) const {
    const auto ended = get(sequence_) / 2;
    const auto added_up = ended - ended % added_at_once;
    auto sums = copy_of(sums_of(added_up));
    const auto first = ended - std::min<std::uint64_t>(ended, room_);
    for (auto number = first; number < ended; ++number) {
        const auto call = call_at(number % room_);
        into.recent.push_back(record_of(call));
        if (number < added_up) { continue; }
        sums.add(call);
        into.lengths.add(sums.last);
    }
    into.calls = ended;
    into.returned = ended - sums.threw - sums.cancelled;
    into.threw = sums.threw;
    into.cancelled = sums.cancelled;
    into.total = sums.total;
    into.min = sums.min;
    into.max = sums.max;
    into.last = sums.last;
    into.busy = tick_clock::to_duration(static_cast<std::uint64_t>(sums.busy_ticks));
    // Those that were written over meanwhile, and what the ring has more than is wanted.
    const auto begun = (get(sequence_) + 1) / 2;
    const auto first_whole = std::max({first, begun - std::min<std::uint64_t>(begun, room_),
                                       ended - std::min<std::uint64_t>(ended, recent_calls_)});
    const auto too_many = std::min<std::uint64_t>(first_whole - first, into.recent.size());
    into.recent.erase(into.recent.begin(),
                      into.recent.begin() + static_cast<std::ptrdiff_t>(too_many));
    into.recent_dropped = ended - into.recent.size();
    return begun < added_up + 2 * added_at_once;
}

report::time_stats call_counters::read() const {
    constexpr int attempts_for_lengths = 10;
    for (int attempt = 1;; ++attempt) {
        report::time_stats copy;
        copy.lengths = lengths_.read();
        const bool are_of_one_moment = read_sums(copy);
        if (are_of_one_moment && copy.calls == 0) { return {}; }
        const bool has_all_lengths = copy.lengths.count() == copy.calls;
        if (are_of_one_moment && (has_all_lengths || attempt >= attempts_for_lengths)) {
            return copy;
        }
        std::this_thread::yield();
    }
}

/// The calls of all threads but the first. The flag is held for some nanoseconds by each call that
/// ends; a mutex would cost a call more than all else.
struct call_statistics::shared_counters {
    explicit shared_counters(std::size_t recent_calls) : counters(recent_calls) {}
    std::atomic<bool> is_locked{false};
    call_counters counters;
};

call_statistics::call_statistics(std::size_t recent_calls, on_switch is_on)
    : is_on_(std::move(is_on)),
      recent_calls_(recent_calls),
      own_(recent_calls) {}

call_statistics::~call_statistics() {
    delete shared_.load();
}

std::shared_ptr<call_statistics> call_statistics::make(std::size_t recent_calls, on_switch is_on) {
    free_unless_called(nullptr);  // those from before
    return {new call_statistics(recent_calls, std::move(is_on)), &free_unless_called};
}

/// Its handles have gone. Frees what has had to wait as well.
void call_statistics::free_unless_called(call_statistics* statistics) noexcept {
    const std::lock_guard lock(all_orphans.lock);
    if (statistics != nullptr) {
        statistics->next_orphan_ = std::exchange(all_orphans.newest, statistics);
    }
    auto** link = &all_orphans.newest;
    while (*link != nullptr) {
        auto* const each = *link;
        if (each->has_calls()) {
            link = &each->next_orphan_;
        } else {
            *link = each->next_orphan_;
            delete each;
        }
    }
}

/// With all handles gone, so that no more begin.
bool call_statistics::has_calls() const noexcept {
    const auto ended = get(ended_) + get(ended_elsewhere_);
    return ended != get(begun_) + get(begun_elsewhere_);
}

call_statistics::shared_counters* call_statistics::shared() noexcept {
    auto* counters = shared_.load(std::memory_order_acquire);
    if (counters != nullptr) { return counters; }
    try {
        auto made = std::make_unique<shared_counters>(recent_calls_);
        if (shared_.compare_exchange_strong(counters, made.get())) { counters = made.release(); }
    } catch (...) { return nullptr; }  // no memory: the call goes uncounted
    return counters;
}

void call_statistics::add_shared(const ended_call& call) noexcept {
    auto* const shared_by_others = shared();
    if (shared_by_others == nullptr) { return; }
    auto& flag = shared_by_others->is_locked;
    while (flag.exchange(true, std::memory_order_acquire)) {
        std::this_thread::yield();
    }
    shared_by_others->counters.add(call);
    flag.store(false, std::memory_order_release);
}

report::time_stats call_statistics::read() const {
    auto copy = own_.read();
    const auto* const others = shared_.load(std::memory_order_acquire);
    if (others == nullptr) { return copy; }
    merge_calls(copy, others->counters.read());
    std::sort(copy.recent.begin(), copy.recent.end(), [](const auto& a, const auto& b) {
        return std::tie(a.end, a.start) < std::tie(b.end, b.start);
    });
    if (!copy.recent.empty()) { copy.last = copy.recent.back().delta; }
    const auto too_many = copy.recent.size() - std::min(copy.recent.size(), recent_calls_);
    copy.recent.erase(copy.recent.begin(),
                      copy.recent.begin() + static_cast<std::ptrdiff_t>(too_many));
    copy.recent_dropped += too_many;
    return copy;
}

void merge_calls(report::time_stats& into, const report::time_stats& more) {
    if (more.calls == 0) { return; }
    if (into.calls == 0) {
        into = more;
        return;
    }
    into.min = std::min(into.min, more.min);
    into.max = std::max(into.max, more.max);
    into.total += more.total;
    into.busy += more.busy;
    into.calls += more.calls;
    into.returned += more.returned;
    into.threw += more.threw;
    into.cancelled += more.cancelled;
    into.lengths.merge(more.lengths);
    into.recent.insert(into.recent.end(), more.recent.begin(), more.recent.end());
    into.last = more.last;
    into.recent_dropped += more.recent_dropped;
}

}  // namespace coroscope::instrumentation::detail
