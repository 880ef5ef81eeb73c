// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/loop_load.hpp>

#include <coroscope/report/histogram_recorder.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation {

/// A level and the highest that it has had. Written by one thread.
inline void set_level(std::atomic<std::size_t>& level, std::atomic<std::size_t>& highest,
                      std::size_t value) noexcept {
    level.store(value, std::memory_order_relaxed);
    if (value > highest.load(std::memory_order_relaxed)) {
        highest.store(value, std::memory_order_relaxed);
    }
}

/// When tasks were woken that have not run since. Of two whose ids share a place, the later one is
/// remembered: a sample less, where a thousand others lie between.
class wake_times {
public:
    void note(std::uint64_t id, std::uint64_t stamp) noexcept { places_[id % size] = {id, stamp}; }
    /// The stamp, and nothing from then on; 0 if it is not known, or of a later step.
    [[nodiscard]] std::uint64_t take(const step_record& step) noexcept {
        auto& place = places_[step.id % size];
        if (place.id != step.id || place.stamp > step.end) { return 0; }
        place.id = 0;
        return place.stamp;
    }

private:
    static constexpr std::size_t size = 1024;
    struct wake {
        std::uint64_t id = 0;
        std::uint64_t stamp = 0;
    };
    std::array<wake, size> places_{};
};

/// The beginnings of passes whose steps have not been told yet. Never more than steps in a batch,
/// but for passes that run nothing but cancelled callbacks: of those that do not fit, the steps
/// count for the pass before.
class coming_passes {
public:
    struct beginning {
        std::uint64_t stamp;
        std::size_t ready;
    };
    void add(beginning b) noexcept {
        if (end_ - begin_ < size) { ring_[end_++ % size] = b; }
    }
    /// A step that ended then belongs to the next pass, or to one after that. (A first step begins
    /// at the end of what was before it, which is before the pass is announced.)
    [[nodiscard]] bool begins_by(std::uint64_t stamp) const noexcept {
        return begin_ != end_ && ring_[begin_ % size].stamp < stamp;
    }
    [[nodiscard]] beginning take() noexcept { return ring_[begin_++ % size]; }

private:
    static constexpr std::size_t size = 512;
    std::array<beginning, size> ring_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// What has been told of a pass so far.
struct load_pass {
    std::uint64_t ticks = 0;
    std::uint64_t steps = 0;
    std::size_t ready = 0;
    step_record longest{};
    bool is_kept = false;
    bool has_news = false;  ///< steps since it was looked at: their records are there now only
    coming_passes next;

    void begin(const coming_passes::beginning& b) noexcept {
        ticks = 0;
        steps = 0;
        ready = b.ready;
        longest = {};
        is_kept = false;
        has_news = false;
    }
    void add(const step_record& step) noexcept {
        const auto took = coroscope::detail::tick_clock::between(step.begin, step.end);
        ticks += took;
        ++steps;
        has_news = true;
        if (took > longest.end - longest.begin) { longest = step; }
    }
};

/// Written by the loop's thread, read by any (but `wakes`).
struct load_counters {
    std::atomic<std::uint64_t> began{0};  ///< stamp; 0: not yet
    std::atomic<std::uint64_t> busy_ticks{0};
    std::atomic<std::uint64_t> steps{0};
    std::atomic<std::uint64_t> passes{0};
    std::atomic<std::uint64_t> long_passes{0};
    std::atomic<std::uint64_t> sum_of_ready{0};
    std::atomic<std::size_t> ready{0};
    std::atomic<std::size_t> most_ready{0};
    std::atomic<std::size_t> scheduled{0};
    std::atomic<std::size_t> most_scheduled{0};
    report::histogram_recorder delays;
    wake_times wakes;

    void count_delay(const step_record& step) noexcept {
        const auto woken = wakes.take(step);
        if (woken == 0) { return; }
        // What woke it may have been announced within the step already: no delay.
        delays.add(woken < step.begin ? step_clock::between(woken, step.begin) : duration{});
    }
};

}  // namespace coroscope::instrumentation
