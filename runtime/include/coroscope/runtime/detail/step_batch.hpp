// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/observer.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace coroscope::detail {

/// Step records on their way to a loop's observers. The loop's thread fills and empties it; any
/// other may copy what is in it at any time, so that who asks what a blocked loop did last sees its
/// last steps too, which no observer has been told of yet.
class step_batch {
public:
    static constexpr std::size_t capacity = 256;
    using records = std::array<step_record, capacity>;

    // --- The loop's thread

    /// False when that was the last one for which there is room.
    bool add(const step_record& step) noexcept {
        auto* const next = next_.load(std::memory_order_relaxed);
        // Field by field: copied as one object it goes through the stack in pieces of other sizes
        // than it was written in, which stalls the processor for as long as a whole step. Released
        // each, so that a copier who gets a new value sees the new generation, too.
        store(next->id, step.id);
        store(next->begin, step.begin);
        store(next->end, step.end);
        store(next->from, step.from);
        store(next->to, step.to);
        store(next->record, step.record);
        store(next->kind, step.kind);
        next_.store(next + 1, std::memory_order_release);
        return next + 1 != records_.data() + capacity;
    }
    /// What is in it. `f` is called with that, if it is anything, and the batch is empty then, also
    /// for what `f` does.
    template <class F>
    bool take(F&& f) noexcept {
        auto* const first = records_.data();
        const std::span<const step_record> taken(first, next_.load(std::memory_order_relaxed));
        if (taken.empty()) { return false; }
        generation_.store(generation_.load(std::memory_order_relaxed) + 1,
                          std::memory_order_release);
        next_.store(first, std::memory_order_release);
        f(taken);
        generation_.store(generation_.load(std::memory_order_relaxed) + 1,
                          std::memory_order_release);
        return true;
    }

    // --- Any thread, also in a signal handler

    /// Copies what is in it; returns how many. None also while it is being taken, and if it is
    /// taken again and again meanwhile. Allocates nothing.
    std::size_t copy_to(records& to) const noexcept;

private:
    template <class T>
    static void store(T& field, T value) noexcept {
        std::atomic_ref<T>(field).store(value, std::memory_order_release);
    }

    records records_{};
    std::atomic<std::uint64_t> generation_{0};  ///< odd while the batch is being taken
    std::atomic<step_record*> next_{records_.data()};
};

}  // namespace coroscope::detail
