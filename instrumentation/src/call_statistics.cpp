// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/call_statistics.hpp>

#include <algorithm>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace coroscope::instrumentation::detail {
namespace {

using std::chrono::nanoseconds;

// Each value of a call is stored with release and read with acquire: who has read one of it sees
// the sequence as it was when that was written, or later.

template <class T>
void put(std::atomic<T>& into, T value) noexcept {
    into.store(value, std::memory_order_release);
}

template <class T>
void grow(std::atomic<T>& counter, T by) noexcept {
    put(counter, counter.load(std::memory_order_relaxed) + by);
}

template <class T>
[[nodiscard]] T get(const std::atomic<T>& from) noexcept {
    return from.load(std::memory_order_acquire);
}

/// Statistics whose handles have gone and whose calls go on: the newest of a list.
struct orphans {
    std::mutex lock;
    call_statistics* newest = nullptr;
};

constinit orphans all_orphans;

}  // namespace

call_counters::call_counters(std::size_t recent_calls)
    : recent_calls_(recent_calls),
      recent_(std::make_unique<kept_call[]>(recent_calls)) {}

void call_counters::add(const report::call_record& call, duration busy,
                        call_outcome outcome) noexcept {
    const auto sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    put(last_, call.delta);
    grow(total_, call.delta);
    grow(busy_, busy);
    if (call.delta < min_.load(std::memory_order_relaxed)) { put(min_, call.delta); }
    if (call.delta > max_.load(std::memory_order_relaxed)) { put(max_, call.delta); }
    if (outcome != call_outcome::returned) [[unlikely]] {
        grow(outcome == call_outcome::threw ? threw_ : cancelled_, std::uint64_t{1});
    }
    if (recent_calls_ != 0) {
        const auto at = next_.load(std::memory_order_relaxed);
        put(recent_[at].start, call.start);
        put(recent_[at].delta, call.delta);
        next_.store(at + 1 == recent_calls_ ? 0 : at + 1, std::memory_order_relaxed);
    }
    const auto waiting = sequence / 2 % lengths_at_once;
    put(waiting_[waiting], call.delta);
    if (waiting + 1 == lengths_at_once) {
        for (const auto& each : waiting_) {
            lengths_.add(each.load(std::memory_order_relaxed));
        }
    }
    sequence_.store(sequence + 2, std::memory_order_release);
}

report::time_stats call_counters::read_sums() const {
    // In a copy of a process, the thread that wrote may be missing.
    constexpr int most_attempts = 1'000;
    report::time_stats copy;
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        const auto sequence = get(sequence_);
        copy.calls = sequence / 2;
        copy.min = get(min_);
        copy.max = get(max_);
        copy.last = get(last_);
        copy.total = get(total_);
        copy.busy = get(busy_);
        copy.threw = get(threw_);
        copy.cancelled = get(cancelled_);
        if (sequence % 2 == 0 && sequence_.load(std::memory_order_relaxed) == sequence) { break; }
        std::this_thread::yield();
    }
    copy.returned = copy.calls - copy.threw - copy.cancelled;
    return copy;
}

/// Entries that are written over meanwhile are left out.
void call_counters::read_recent(report::time_stats& into) const {
    const auto room = static_cast<std::uint64_t>(recent_calls_);
    const auto first = into.calls - std::min(into.calls, room);
    std::vector<report::call_record> kept;
    for (auto call = first; call < into.calls; ++call) {
        const auto& from = recent_[call % room];
        const auto start = get(from.start);
        const auto delta = get(from.delta);
        kept.push_back({start, start + delta, delta});
    }
    const auto begun = (get(sequence_) + 1) / 2;
    const auto lost = std::min<std::uint64_t>(begun - std::min(begun, first + room), kept.size());
    into.recent.assign(kept.begin() + static_cast<std::ptrdiff_t>(lost), kept.end());
    into.recent_dropped = into.calls - into.recent.size();
}

/// False if they are not those of `into.calls` calls, because more have ended meanwhile.
bool call_counters::read_lengths(report::time_stats& into) const {
    into.lengths = lengths_.read();
    const auto first_waiting = into.calls - into.calls % lengths_at_once;
    for (auto call = first_waiting; call < into.calls; ++call) {
        into.lengths.add(get(waiting_[call % lengths_at_once]));
    }
    const auto begun = (get(sequence_) + 1) / 2;
    return begun <= first_waiting + lengths_at_once && into.lengths.count() == into.calls;
}

report::time_stats call_counters::read() const {
    constexpr int most_attempts = 100;
    for (int attempt = 1;; ++attempt) {
        auto copy = read_sums();
        if (copy.calls == 0) { return {}; }
        read_recent(copy);
        if (read_lengths(copy) || attempt == most_attempts) { return copy; }
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

void call_statistics::add_shared(const report::call_record& call, duration busy,
                                 call_outcome outcome) noexcept {
    auto* const shared_by_others = shared();
    if (shared_by_others == nullptr) { return; }
    auto& flag = shared_by_others->is_locked;
    while (flag.exchange(true, std::memory_order_acquire)) {
        std::this_thread::yield();
    }
    shared_by_others->counters.add(call, busy, outcome);
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
