// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stack_copy.hpp"

#include <coroscope/runtime/detail/running_task.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace coroscope::instrumentation::detail {

/// A thread as a signal handler found it.
struct cpu_sample {
    explicit cpu_sample(std::size_t stack_bytes) : stack(stack_bytes) {}

    std::int64_t weight = 1;  ///< periods of CPU time that have passed since the last one
    coroscope::detail::running_task task;
    stack_copy stack;
};

/// The samples of one thread that have not been looked at yet. The thread's signal handler puts
/// them in, one other thread takes them out; neither waits for the other.
class sample_ring {
public:
    sample_ring(std::size_t room, std::size_t stack_bytes)
        : samples_(room, cpu_sample(stack_bytes)) {}

    /// The sample to fill in, and to `push` afterwards; null, and counted as dropped, if there is
    /// no room.
    [[nodiscard]] cpu_sample* free_sample(std::int64_t weight) noexcept {
        const auto end = end_.load(std::memory_order_relaxed);
        if (end - begin_.load(std::memory_order_acquire) == samples_.size()) {
            dropped_.store(dropped_.load(std::memory_order_relaxed) + weight,
                           std::memory_order_relaxed);
            return nullptr;
        }
        auto& sample = samples_[end % samples_.size()];
        sample.weight = weight;
        return &sample;
    }
    void push() noexcept {
        end_.store(end_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    /// The oldest sample; null: there is none.
    [[nodiscard]] const cpu_sample* front() const noexcept {
        const auto begin = begin_.load(std::memory_order_relaxed);
        return begin == end_.load(std::memory_order_acquire) ? nullptr
                                                             : &samples_[begin % samples_.size()];
    }
    void pop() noexcept {
        begin_.store(begin_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    /// Periods of CPU time that there was no room for.
    [[nodiscard]] std::int64_t dropped() const noexcept {
        return dropped_.load(std::memory_order_relaxed);
    }

private:
    std::vector<cpu_sample> samples_;
    std::atomic<std::uint64_t> begin_{0};
    std::atomic<std::uint64_t> end_{0};
    std::atomic<std::int64_t> dropped_{0};
};

}  // namespace coroscope::instrumentation::detail
