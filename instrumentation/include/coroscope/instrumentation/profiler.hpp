// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/call_timer.hpp>
#include <coroscope/instrumentation/detail/measured_call.hpp>
#include <coroscope/instrumentation/detail/measured_memory.hpp>

#include <coroscope/report/memory_stats.hpp>
#include <coroscope/report/snapshot.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coroscope::instrumentation {

/// A function that counts and times its calls; what `profiler::profile_time` returns.
///
/// Called like the function it wraps: same arguments, same result, same exceptions; for a coroutine
/// function the call returns a `coro`, which is timed when it runs. May be copied if the function
/// may; may outlive the profiler. **Thread safety**: as that of the function.
template <class F>
using timed_function = detail::measured_callable<detail::call_timer, detail::call_statistics, F>;

/// The same for what its calls allocate; what `profiler::profile_memory` returns.
template <class F>
using measured_function =
    detail::measured_callable<detail::memory_meter, detail::memory_statistics, F>;

/// Times the block that it stands in; what `profiler::scoped_time` returns. A block that an
/// exception leaves counts as `threw`, also if that is a cancellation. **Lifetime**: in a
/// coroutine or callback it must end before the loop does.
class [[nodiscard]] time_scope {
public:
    explicit time_scope(std::shared_ptr<detail::call_statistics> statistics) noexcept
        : statistics_(std::move(statistics)) {
        if (statistics_->counts()) { timer_.emplace(*statistics_, detail::call_outcome::returned); }
    }
    time_scope(const time_scope&) = delete;
    time_scope& operator=(const time_scope&) = delete;
    ~time_scope() {
        if (timer_ && std::uncaught_exceptions() > exceptions_) {
            timer_->set(detail::call_outcome::threw);
        }
    }

private:
    std::shared_ptr<detail::call_statistics> statistics_;
    std::optional<detail::call_timer> timer_;
    int exceptions_ = std::uncaught_exceptions();
};

struct profiler_options {
    /// The last calls of each name that are kept with start, end and duration.
    std::size_t recent_calls = 100;
    /// Different names; the calls of further ones are counted together, under `(other)`.
    std::size_t max_names = 1000;
    /// What rows of `memory_stats` stand for unless it is told otherwise, and which files count.
    memory_key key_type = memory_key::lineno;
    memory_filter filter{};
    /// Where `log_text` of everything goes when the last handle of the profiler goes; null:
    /// nowhere. Must live until then.
    std::ostream* log = nullptr;
    /// Counts nothing until `profiler::start`.
    bool starts_stopped = false;
};

/// Says where a program's time goes: counts and times the calls of the functions it wraps, by name.
///
///     coroscope::instrumentation::profiler profiler;
///     auto fetch_timed = profiler.profile_time("fetch", fetch);  // coro<page> fetch(std::string)
///     const auto page = co_await fetch_timed("/index.html");
///
/// Two clocks. *Elapsed* (`total`, `min`, `max`, `last`, each call's start, end and delta) is the
/// time of the loop that the call runs in, waiting included: virtual time under a fake clock;
/// outside a loop it is `std::chrono::steady_clock`. *Busy* is real time actually spent running,
/// whatever the clock: for a call in a task, the steps of that task between the call's begin and
/// its end; for a call elsewhere, real time from begin to end. Tasks and executor jobs that a call
/// waits for are elapsed and not busy. Where `loop_options::time_stats` is off, calls that suspend
/// have no busy time to speak of.
///
/// A call of a coroutine function lasts from its first step to its end. Calls that threw and calls
/// that were cancelled count like those that returned, and are counted apart. Equal names are one
/// row. No observer is needed.
///
/// A handle: copies are the same profiler. **Thread safety**: all members, from any thread.
/// **Cost**: see `profile_time_call` in `docs/benchmarks.md`, and one more coroutine frame for a
/// coroutine; for a name that several threads call, atomic operations more on all but the first.
/// Stopped, about 1 ns. For each name the recent calls, and at most 15 KiB for the distribution of
/// all; twice that if several threads call it.
class profiler {
public:
    explicit profiler(const profiler_options& options = {});

    /// Wraps a coroutine function (one that returns a `coro`) or a plain function: a function
    /// pointer, a member function pointer, any callable object (copied or moved in). Wrapped
    /// functions may be wrapped again.
    template <class F>
    [[nodiscard]] timed_function<std::decay_t<F>> profile_time(std::string_view name, F&& f) {
        return timed_function<std::decay_t<F>>(statistics(name), std::forward<F>(f));
    }

    /// Times the rest of the block: `const auto timing = profiler.scoped_time("parse");`
    [[nodiscard]] time_scope scoped_time(std::string_view name) {
        return time_scope(statistics(name));
    }

    /// Calls begin to count, or to count no more, for time and memory: those that are begun from
    /// now on. (Of a coroutine function, that is the call that returns the `coro`.) While it is
    /// stopped, a wrapped function costs one load and a branch more than the function. A new
    /// profiler counts.
    void start() noexcept;
    void stop() noexcept;
    [[nodiscard]] bool is_started() const noexcept;

    /// Counts during the rest of the block, and is then as it was: `const auto on =
    /// profiler.started();`
    class [[nodiscard]] started_scope;
    [[nodiscard]] started_scope started();

    /// The names called so far, with their finished calls.
    [[nodiscard]] report::time_table time_stats() const;

    /// Wraps a function so that what its calls allocate and free is counted: by the call's own task
    /// (or thread), from its begin to its end, whatever other tasks do meanwhile; what it awaits in
    /// the same task counts, tasks that it creates do not. Stacks with `profile_time`. The first
    /// one starts to count allocations, unless a `memory_profiler` is started, and throws
    /// `std::logic_error` if they are not hooked (see `memory_profiler::start`).
    template <class F>
    [[nodiscard]] measured_function<std::decay_t<F>> profile_memory(std::string_view name, F&& f) {
        return measured_function<std::decay_t<F>>(memory_of(name), std::forward<F>(f));
    }
    /// The names called so far, with their finished calls, as the options say or by another key.
    /// **Cost**: see `memory_snapshot`.
    [[nodiscard]] report::memory_table memory_stats() const;
    [[nodiscard]] report::memory_table memory_stats(memory_key by,
                                                    const memory_filter& filter = {}) const;

private:
    class implementation;
    [[nodiscard]] std::shared_ptr<detail::memory_statistics> memory_of(std::string_view name);
    [[nodiscard]] std::shared_ptr<detail::call_statistics> statistics(std::string_view name);

    std::shared_ptr<implementation> implementation_;
};

/// Starts a profiler for a block.
class profiler::started_scope {
public:
    explicit started_scope(profiler p);
    started_scope(const started_scope&) = delete;
    started_scope& operator=(const started_scope&) = delete;
    ~started_scope();

private:
    profiler profiler_;
    bool was_started_;
};

/// For people: for each name one line for each call that was kept, when it was called and how long
/// it took, then how many there were, their percentiles and their maximum.
[[nodiscard]] std::string log_text(const report::time_table& table);
/// The same for memory: under each call that was kept one line for each row.
[[nodiscard]] std::string log_text(const report::memory_table& table);

/// Adds statistics of another profiler; equal names become one row, the added calls the later ones.
void merge_times(report::time_table& into, const report::time_table& more);

}  // namespace coroscope::instrumentation
