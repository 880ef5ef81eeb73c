// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/observer.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace coroscope::detail {
class step_batch;
}

namespace coroscope::instrumentation {

class flight_history;
class flight_ring;
class trace_sink;

struct flight_recorder_options {
    /// Events kept, the newest ones; rounded up to a power of two, at least 1024. Each takes 32
    /// bytes, allocated once, when the recorder is made.
    std::size_t capacity = 65'536;
};

/// Keeps the last events of one loop, always, in memory of a fixed size: steps with the lines from
/// which and to which they ran, wake-ups with who woke, tasks created and ended. They are written
/// as a Chrome trace, which ui.perfetto.dev and chrome://tracing show: one track a task, a slice a
/// step, an arrow from who woke or created to who was.
///
///     coroscope::instrumentation::flight_recorder recorder;
///     recorder.dump_on_crash("crash.json");
///     options.prepare = [&recorder](coroscope::loop& l) { l.add_observer(recorder); };
///     coroscope::run(serve(), options);
///     recorder.dump("trace.json");
///
/// Where the loop does not time its steps (`loop_options::time_stats`) there are no slices.
///
/// **Thread safety**: attached to one loop, never to two; everything else from any thread at any
/// time, also while the loop runs or is blocked: nothing here takes a lock that the loop takes.
/// **Lifetime**: must outlive the loop, or be removed from it (`loop::remove_observer`).
/// **Cost**: a few nanoseconds a step; ten more for each wake-up, creation and end, which take a
/// time stamp of their own.
class flight_recorder final : public observer {
public:
    explicit flight_recorder(flight_recorder_options options = {});
    flight_recorder(const flight_recorder&) = delete;
    flight_recorder& operator=(const flight_recorder&) = delete;
    ~flight_recorder() override;

    /// Writes the trace to a file. Throws `std::system_error` if that cannot be written.
    void dump(const std::filesystem::path& file) const;
    /// The trace itself.
    [[nodiscard]] std::string dump() const;
    /// The same to an open descriptor, from a signal handler: allocates nothing, takes no lock,
    /// needs 3 KiB of stack. It reads the ring in place: what a running loop overwrites meanwhile
    /// is left out and counted. False, and `errno`, if writing failed.
    bool dump_from_signal(int descriptor) const noexcept;

    /// Writes the trace to `file` when the process gets SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT;
    /// then whatever would have handled the signal does. Once a process for each recorder, for 16
    /// recorders at most: throws `std::logic_error` for more. Ends with the recorder. A path too
    /// long for a file name of the system throws `std::invalid_argument`.
    void dump_on_crash(const std::filesystem::path& file);

    [[nodiscard]] std::size_t capacity() const noexcept;
    /// Events since the beginning, and those of them that newer ones have replaced.
    [[nodiscard]] std::uint64_t recorded() const noexcept;
    [[nodiscard]] std::uint64_t overwritten() const noexcept;

    void on_task_created(const task_info& task) noexcept override;
    void on_task_finished(const task_info& task, task_outcome outcome) noexcept override;
    void on_steps(std::span<const step_record> steps) noexcept override;
    void on_task_woken(const task_info& task) noexcept override;
    void on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept override;
    /// Tells which loop this is.
    void on_slow_threshold(duration threshold) noexcept override;

private:
    friend class flight_history;

    void write(trace_sink& to) const;
    [[nodiscard]] std::uint64_t stamp_of_end(std::uint64_t id) const noexcept;

    std::unique_ptr<flight_ring> ring_;
    /// Where a signal handler copies steps to, since its stack may be a small one.
    std::unique_ptr<std::array<step_record, 256>> space_;
    mutable std::atomic<std::array<step_record, 256>*> signal_space_;
    std::atomic<std::uint32_t> loop_id_{0};  ///< 0: not known yet
    /// The steps that the loop has not told yet. Kept from every loop that this was attached to.
    std::atomic<const coroscope::detail::step_batch*> unsent_{nullptr};
    std::vector<std::shared_ptr<const coroscope::detail::step_batch>> batches_;
    std::uint64_t last_id_ = 0;        ///< of the last step that was told
    std::uint64_t last_ended_ = 0;     ///< the stamp of its end
    std::uint64_t woken_by_edge_ = 0;  ///< the task that the last edge led to
    std::uint64_t edge_ends_at_ = 0;   ///< how many events there were with that edge
};

}  // namespace coroscope::instrumentation
