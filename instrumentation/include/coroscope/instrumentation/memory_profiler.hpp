// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/observer.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coroscope::instrumentation {

struct memory_profiler_options {
    /// Bytes between two samples on average; 0: every allocation is counted, exactly.
    std::size_t sample_period = 0;
    /// Return addresses that are kept of an allocation, at most 16. The first is free; more take a
    /// microsecond or more, which suits samples.
    std::size_t calls = 1;
};

/// Coroutine frames that were made on the threads of observed loops while the profiler observed.
struct frame_memory {
    std::int64_t live_bytes = 0;  ///< negative: frames from before were freed since
    std::int64_t peak_bytes = 0;
    std::uint64_t frames = 0;  ///< made so far
};

/// Says which task allocated how much memory, where, and what of it is still there.
///
///     coroscope::instrumentation::hook_memory();  // of coroscope::memory_hooks
///     coroscope::instrumentation::memory_profiler memory;
///     memory.start();
///     const auto before = memory.snapshot();
///     // ... run ...
///     for (const auto& row : memory.snapshot().compare_to(before, memory_key::lineno)) { ... }
///
/// An allocation belongs to the task whose step made it, and to its async stack at that moment;
/// outside of tasks, to the thread (an executor's job, too). A block that is freed, by whomever, is
/// taken off the place that allocated it. Blocks from before `start` do not count.
///
/// With samples, the amounts are estimates: of a block of n bytes one in 1 - exp(-n / period) is
/// seen, as tcmalloc's sampler does it, and counts for as many.
///
/// Memory is bounded: 16,384 places and a million live blocks, 40 MiB at most, mapped by the first
/// start and never given back. Further places are counted together for all tasks, under
/// `(other tasks)`; further blocks are counted as dropped.
///
/// As an observer, it counts coroutine frames, which come from slabs that no hook of allocation
/// sees.
///
/// A process that forks counts on in both copies, each for itself.
///
/// **Thread safety**: all members, from any thread. **Lifetime**: at most one is started in a
/// process; must outlive its observing. **Cost**: benchmarks `alloc_exact`, `alloc_sampled`.
class memory_profiler : public observer {
public:
    explicit memory_profiler(const memory_profiler_options& options = {});
    memory_profiler(const memory_profiler&) = delete;
    memory_profiler& operator=(const memory_profiler&) = delete;
    ~memory_profiler() override;  ///< stops

    /// Begins anew. Throws `std::logic_error` if one is started already, or if nothing is hooked:
    /// link `coroscope::memory_hooks` and call `hook_memory()`.
    void start();
    /// Counts nothing from now on; what was counted may still be read until the next start.
    void stop() noexcept;
    [[nodiscard]] bool is_started() const noexcept { return is_started_; }
    /// What is hooked in this process, and what is not seen therefore: a sentence for people, which
    /// snapshots and reports repeat. Empty: nothing is hooked.
    [[nodiscard]] static std::string_view hooked() noexcept;

    [[nodiscard]] memory_snapshot snapshot() const;
    [[nodiscard]] frame_memory frames() const noexcept;

    void on_frame(std::ptrdiff_t bytes) noexcept override;
    [[nodiscard]] hook_set hooks() const noexcept override { return hook_set{0} | hook::frame; }

private:
    memory_profiler_options options_;
    std::atomic<bool> is_started_{false};
    std::atomic<std::int64_t> frame_bytes_{0};
    std::atomic<std::int64_t> frame_peak_{0};
    std::atomic<std::uint64_t> frames_made_{0};
};

/// Runs the profiler while the block lasts.
class [[nodiscard]] memory_scope {
public:
    explicit memory_scope(memory_profiler& profiler) : profiler_(profiler) { profiler_.start(); }
    memory_scope(const memory_scope&) = delete;
    memory_scope& operator=(const memory_scope&) = delete;
    ~memory_scope() { profiler_.stop(); }

private:
    memory_profiler& profiler_;
};

}  // namespace coroscope::instrumentation
