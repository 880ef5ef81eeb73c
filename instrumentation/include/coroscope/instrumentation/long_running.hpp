// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope::instrumentation {

/// How a call or a task ended.
enum class run_outcome : std::uint8_t {
    returned,
    threw,
    cancelled,
    destroyed,  ///< with its loop, before its end
};

[[nodiscard]] std::string_view to_string(run_outcome outcome) noexcept;

/// A finished call of a coroutine function that `time_it_factory` has wrapped. Valid while the
/// handler runs, inside of the task that made the call.
class timed_call {
public:
    timed_call(std::string_view name, duration elapsed, run_outcome outcome) noexcept
        : name_(name),
          elapsed_(elapsed),
          outcome_(outcome) {}

    /// As given with the function.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    /// Of the loop's time, waiting included: virtual time under a fake clock.
    [[nodiscard]] duration elapsed() const noexcept { return elapsed_; }
    [[nodiscard]] run_outcome outcome() const noexcept { return outcome_; }
    /// Where the call came from, most recent first: the `co_await` it was called in, those of the
    /// coroutines around that, the call that created the task, and where its creator stood (as far
    /// as `loop::set_origin_depth` asked for that). At most `most`.
    [[nodiscard]] std::vector<await_site> origin(std::size_t most = 10) const;

private:
    std::string_view name_;
    duration elapsed_;
    run_outcome outcome_;
};

using call_handler = std::function<void(const timed_call&)>;

namespace detail {

/// What the calls of one wrapped function share.
class call_watch {
public:
    call_watch(std::shared_ptr<const call_handler> handler, std::string_view name)
        : handler_(std::move(handler)),
          name_(name) {}
    /// Calls the handler; what that throws goes to the exception handler of the running loop.
    void tell(duration elapsed, run_outcome outcome) const noexcept;

private:
    std::shared_ptr<const call_handler> handler_;
    std::string name_;
};

/// The function as well: a coroutine lambda's captures have to outlive its coroutines.
template <class F>
struct watched_function : call_watch {
    watched_function(std::shared_ptr<const call_handler> handler, std::string_view name, F f)
        : call_watch(std::move(handler), name),
          function(std::move(f)) {}
    F function;
};

/// One call, from its first step on; told once.
class call_in_progress {
public:
    explicit call_in_progress(const call_watch& watch) noexcept : watch_(watch), begin_(now()) {}
    void end(run_outcome outcome) noexcept {
        if (!std::exchange(is_told_, true)) { watch_.tell(now() - begin_, outcome); }
    }

private:
    [[nodiscard]] static time_point now() noexcept;
    const call_watch& watch_;
    time_point begin_;
    bool is_told_ = false;
};

template <class T>
coro<T> watch_call(std::shared_ptr<const call_watch> watch, coro<T> work) {
    call_in_progress call(*watch);
    try {
        if constexpr (std::is_void_v<T>) {
            co_await coroscope::detail::unlisted(work);
            call.end(run_outcome::returned);
        } else {
            T result = co_await coroscope::detail::unlisted(work);
            call.end(run_outcome::returned);
            co_return static_cast<T&&>(result);
        }
    } catch (const cancelled_error&) {
        call.end(run_outcome::cancelled);
        throw;
    } catch (...) {
        call.end(run_outcome::threw);
        throw;
    }
}

}  // namespace detail

/// Wraps coroutine functions so that each call is timed; what `time_it_factory` returns. Copies
/// share the handler.
class call_timing {
public:
    explicit call_timing(call_handler handler)
        : handler_(std::make_shared<const call_handler>(std::move(handler))) {}

    /// A function that does what `f` does, and tells the handler of each call when it is over.
    /// `f`: a function pointer, a member function pointer, a callable object that can be called
    /// while const; returns a `coro`. It is copied or moved in, and lives as long as a call of it
    /// lasts.
    template <class F>
    [[nodiscard]] auto operator()(std::string_view name, F&& f) const {
        using function = std::decay_t<F>;
        auto watch = std::make_shared<const detail::watched_function<function>>(handler_, name,
                                                                                std::forward<F>(f));
        return [watch = std::move(watch)]<class... Args>(
                   Args&&... args) -> std::invoke_result_t<const function&, Args...> {
            return detail::watch_call(std::shared_ptr<const detail::call_watch>(watch),
                                      std::invoke(watch->function, std::forward<Args>(args)...));
        };
    }

private:
    std::shared_ptr<const call_handler> handler_;
};

/// Finds coroutines that take long, waiting included; what counts as long is the handler's policy.
///
///     const auto time_it = time_it_factory([](const timed_call& call) {
///         if (call.elapsed() > 500ms) { std::cerr << log_text(call); }
///     });
///     const auto fetch_timed = time_it("fetch", fetch);  // coro<page> fetch(std::string)
///     const auto page = co_await fetch_timed("/index.html");
///
/// The handler hears of every call that has begun, also if it threw or was cancelled, on the loop's
/// thread, inside of the call's task; not of one that is destroyed with its loop. Wrap the callers,
/// too, to see which part of their time it was. **Thread safety**: wrapped functions may be called
/// in several loops at once, and so may the handler. **Errors**: an exception from the handler goes
/// to the loop's exception handler. **Cost**: one more coroutine frame and two readings of the
/// loop's clock a call; the origin costs nothing unless the handler asks for it.
[[nodiscard]] inline call_timing time_it_factory(call_handler handler) {
    return call_timing(std::move(handler));
}

/// A finished task that `monitor_task_factory` has made.
struct task_run {
    std::uint64_t id = 0;
    std::string name;  ///< `task-ID` where none was given
    /// The `create_task` call, then where its creator stood (see `loop::set_origin_depth`).
    std::vector<await_site> origin;
    duration elapsed{};  ///< from creation to the end, in the loop's time
    run_outcome outcome = run_outcome::returned;
};

using task_run_handler = std::function<void(const task_run&)>;

/// A task factory that tells of each task's run time, from its creation to its end: once, whether
/// it returned, threw, was cancelled or was destroyed, and whoever awaits it or not.
///
///     loop.set_task_factory(monitor_task_factory([](const task_run& run) {
///         if (run.elapsed > 1s) { std::cerr << log_text(run); }
///     }));
///
/// Without a handler each is written to standard error, in the loop's debug mode. `make` makes the
/// tasks; unset: `loop::start_task`, and `eager_task_factory` makes them eager.
/// The handler runs on the loop's thread at the moment of the task's end, before those who await
/// it; what it throws goes to the loop's exception handler.
[[nodiscard]] loop::task_factory monitor_task_factory(task_run_handler handler = {},
                                                      loop::task_factory make = {});

/// For people: one line, then the whole origin, indented, most recent first.
[[nodiscard]] std::string log_text(const timed_call& call);
[[nodiscard]] std::string log_text(const task_run& run);

}  // namespace coroscope::instrumentation
