// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram_recorder.hpp>
#include <coroscope/report/snapshot.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace coroscope::instrumentation::detail {

enum class call_outcome : std::uint8_t { returned, threw, cancelled };

/// A call that has ended, as it was measured: nothing is converted on its path.
struct ended_call {
    std::int64_t start = 0;       ///< a stamp of `tick_clock`, or nanoseconds of the loop's clock
    std::int64_t delta = 0;       ///< ticks or nanoseconds
    std::int64_t busy_ticks = 0;  ///< in any case
    call_outcome outcome = call_outcome::returned;
    bool has_stamps = true;
};

/// Calls that were counted, in a form that one thread writes while others read: no lock, and no
/// atomic addition. A call is put into a ring; each 32 of them are added up together. (A counter of
/// a histogram lies where the duration says. Were it written by each call, the next one's loads
/// would wait until that is known, which is a third of what a call costs.)
class call_counters {
public:
    explicit call_counters(std::size_t recent_calls);

    /// One thread at a time.
    void add(const ended_call& call) noexcept;
    /// Any thread. While calls end faster than they are copied, `lengths` may have some more or
    /// less, and `recent` may lack some.
    [[nodiscard]] report::time_stats read() const;

private:
    static constexpr std::size_t added_at_once = 32;

    /// A place of the ring.
    struct published_call {
        std::atomic<std::int64_t> start;
        std::atomic<std::int64_t> delta;
        std::atomic<std::int64_t> busy_ticks;
        std::atomic<call_outcome> outcome;
        std::atomic<bool> has_stamps;
    };

    /// Of the calls up to a multiple of `added_at_once`.
    struct published_sums {
        std::atomic<std::chrono::nanoseconds> min{std::chrono::nanoseconds::max()};
        std::atomic<std::chrono::nanoseconds> max{std::chrono::nanoseconds::min()};
        std::atomic<std::chrono::nanoseconds> last{std::chrono::nanoseconds(0)};
        std::atomic<std::chrono::nanoseconds> total{std::chrono::nanoseconds(0)};
        std::atomic<std::int64_t> busy_ticks{0};
        std::atomic<std::uint64_t> threw{0};
        std::atomic<std::uint64_t> cancelled{0};
    };

    [[nodiscard]] ended_call call_at(std::size_t place) const noexcept;
    void add_up(std::size_t last_place, std::uint64_t calls) noexcept;
    [[nodiscard]] const published_sums& sums_of(std::uint64_t calls) const noexcept {
        return sums_[calls / added_at_once % 2];
    }
    [[nodiscard]] bool read_sums(report::time_stats& into) const;

    std::atomic<std::uint64_t> sequence_{0};  ///< 2 a call; odd while one is added
    std::atomic<std::size_t> next_{0};        ///< place to write
    std::size_t recent_calls_;
    std::size_t room_;
    std::unique_ptr<published_call[]> ring_;
    /// By the number of times that calls were added up, odd or even: the set that holds stays while
    /// the next one is written, however long that takes.
    std::array<published_sums, 2> sums_;
    report::histogram_recorder lengths_;
};

/// All calls of one profiled name. The first thread that calls has counters of its own, so that its
/// calls take no lock; the others share some, and take turns. **Thread safety**: all members, from
/// any thread.
class call_statistics {
public:
    using on_switch = std::shared_ptr<const std::atomic<bool>>;

    /// Stays until the last handle has gone and the last call has ended.
    [[nodiscard]] static std::shared_ptr<call_statistics> make(std::size_t recent_calls,
                                                               on_switch is_on);
    call_statistics(const call_statistics&) = delete;
    call_statistics& operator=(const call_statistics&) = delete;
    ~call_statistics();

    /// Whether calls count: the profiler is not stopped.
    [[nodiscard]] bool counts() const noexcept { return is_on_->load(std::memory_order_relaxed); }
    void add(const ended_call& call) noexcept {
        if (is_owner()) [[likely]] {
            own_.add(call);
        } else {
            add_shared(call);
        }
    }
    [[nodiscard]] report::time_stats read() const;

private:
    friend class call_hold;
    struct shared_counters;

    call_statistics(std::size_t recent_calls, on_switch is_on);
    static void free_unless_called(call_statistics* statistics) noexcept;
    [[nodiscard]] bool has_calls() const noexcept;

    /// Names this thread. Those that come after it may have the same name.
    [[nodiscard]] static const void* this_thread() noexcept {
        return &coroscope::detail::running_loop;
    }
    [[nodiscard]] bool is_owner() noexcept {
        const auto* owner = owner_.load(std::memory_order_relaxed);
        if (owner == nullptr) [[unlikely]] {
            owner = this_thread();
            const void* none = nullptr;
            if (!owner_.compare_exchange_strong(none, owner)) { owner = none; }
        }
        return owner == this_thread();
    }
    void add_shared(const ended_call& call) noexcept;
    [[nodiscard]] shared_counters* shared() noexcept;

    on_switch is_on_;
    std::atomic<const void*> owner_{nullptr};
    // Calls of coroutines that were made, and whose frames have gone.
    std::atomic<std::uint64_t> begun_{0};
    std::atomic<std::uint64_t> ended_{0};
    std::atomic<std::uint64_t> begun_elsewhere_{0};
    std::atomic<std::uint64_t> ended_elsewhere_{0};
    std::size_t recent_calls_;
    call_counters own_;
    std::atomic<shared_counters*> shared_{nullptr};
    call_statistics* next_orphan_ = nullptr;
};

/// Keeps statistics alive while a coroutine's call lasts. A `std::shared_ptr` would do; its count
/// is changed by atomic additions, which would be a third of what timing a call costs.
class call_hold {
public:
    /// A handle of the statistics must be there.
    explicit call_hold(call_statistics& of) noexcept : statistics_(&of) {
        if (of.is_owner()) [[likely]] {
            coroscope::detail::add_to(of.begun_, std::uint64_t{1});
        } else {
            of.begun_elsewhere_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    call_hold(call_hold&& other) noexcept
        : statistics_(std::exchange(other.statistics_, nullptr)) {}
    call_hold(const call_hold&) = delete;
    call_hold& operator=(const call_hold&) = delete;
    ~call_hold() {
        if (statistics_ == nullptr) { return; }
        // The last that is done to them: they may be gone afterwards.
        if (statistics_->is_owner()) [[likely]] {
            auto& ended = statistics_->ended_;
            ended.store(ended.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        } else {
            statistics_->ended_elsewhere_.fetch_add(1, std::memory_order_release);
        }
    }

    [[nodiscard]] call_statistics& operator*() const noexcept { return *statistics_; }

private:
    call_statistics* statistics_;
};

/// Adds `more`, as the later calls.
void merge_calls(report::time_stats& into, const report::time_stats& more);

}  // namespace coroscope::instrumentation::detail
