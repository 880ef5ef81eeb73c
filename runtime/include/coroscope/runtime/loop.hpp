// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/executor_job.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/schedule_policy.hpp>
#include <coroscope/runtime/task.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace coroscope {

class context;
class executor;

struct loop_options {
    /// The loop's time; null: the machine's monotonic clock. Must outlive the loop.
    coroscope::clock* clock = nullptr;
    /// Checks that calls come from the right thread. Unset: the environment variable
    /// `COROSCOPE_DEBUG` decides (set and neither empty nor `0`: on).
    std::optional<bool> debug;
    /// A step that takes at least this long in real time is reported to observers at once.
    duration slow_callback_duration = std::chrono::milliseconds(100);
    /// Measures every step. Off, a step costs one time stamp less and nothing is known of it.
    bool time_stats = true;
    /// Creation sites to keep for each task; see `loop::set_origin_depth`. Unset: 1, or 10 in debug
    /// mode.
    std::optional<std::size_t> origin_depth;
    /// Threads of the default executor; 0: as many as the machine has, at most 32.
    std::size_t executor_threads = 0;
};

/// Where a loop is in its life.
enum class loop_state : std::uint8_t {
    idle,     ///< not running: made, or `run_*` has returned; calls schedule for the next run
    running,  ///< inside `run_forever` or `run_until_complete`
    stopped,  ///< `stop` was called; the pass in progress runs to its end, then idle
    closed,   ///< final: scheduling throws `invalid_state_error`, tasks are gone
};

/// Sums over a loop's life. Ticks are `step_clock` stamps.
struct loop_statistics {
    std::uint64_t steps = 0;
    std::uint64_t callbacks = 0;
    std::uint64_t polls = 0;
    duration busy{};  ///< in steps
    duration idle{};  ///< blocked, waiting for something to do
    std::size_t ready = 0;
    std::size_t scheduled = 0;  ///< timers armed
    std::size_t tasks = 0;      ///< unfinished
};

/// Runs tasks and callbacks, one at a time, on the thread that calls `run_forever` or
/// `run_until_complete`; Boost.Asio does its I/O.
///
/// What each call does in each state:
///
/// | call                   | idle         | running, stopped | closed              |
/// |------------------------|--------------|------------------|---------------------|
/// | `call_*`, `create_*`   | for next run | scheduled        | invalid_state_error |
/// | `call_soon_threadsafe` | for next run | scheduled, wakes | invalid_state_error |
/// | `run_*`                | runs         | invalid_state_error | invalid_state_error |
/// | `stop`                 | next run is one pass | run ends after its pass | no effect |
/// | `close`                | closes       | invalid_state_error | no effect        |
///
/// **Thread safety**: everything belongs to the thread that runs the loop (to one thread at a time
/// while it is idle), except `call_soon_threadsafe`, `stop_threadsafe`, `id`, `statistics`,
/// `is_running` and `is_closed`. In debug mode a call from the wrong thread throws
/// `std::logic_error`; otherwise it is undefined. **Lifetime**: destroying a loop closes it.
class loop {
public:
    explicit loop(loop_options options = {});
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    ~loop();

    // --- Running

    /// Runs until `stop`. An exception from the clock or a schedule policy ends it and is thrown.
    void run_forever();
    /// Runs until the task is done, then what is ready by then, and gives the task's result.
    /// Throws `broken_loop_error` if the loop was stopped first; the task is then still there.
    /// A task that keeps its name keeps its result, unless that can only be moved.
    template <class T>
    T run_until_complete(task<T>&& t) {
        run_until_done(t.core());
        return std::move(t).result();
    }
    template <class T>
    T run_until_complete(const task<T>& t) {
        if constexpr (std::is_void_v<T> || std::is_copy_constructible_v<T>) {
            run_until_done(t.core());
            return t.result();
        } else {
            return run_until_complete(task<T>(t));
        }
    }
    template <class T>
    T run_until_complete(coro<T> work, await_site where = await_site::current()) {
        expect_runnable();
        return run_until_complete(create_task(std::move(work), {}, where));
    }
    template <class T>
    T run_until_complete(future<T> f) {
        run_until_done(f.core());
        if constexpr (std::is_void_v<T>) {
            f.result();
        } else {
            return f.result();
        }
    }
    /// Ends the run after the pass in progress: what was ready when the pass began still runs;
    /// what is scheduled meanwhile runs at the next start.
    void stop();
    void stop_threadsafe();
    /// Destroys what is left: callbacks, timers, unfinished tasks (their frames innermost first,
    /// each reported to the exception handler). Waits for no executor job; its result is dropped,
    /// and the destructor waits for the loop's own pool.
    void close();
    [[nodiscard]] bool is_running() const noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    [[nodiscard]] loop_state state() const noexcept;

    // --- Callbacks

    /// Runs `f()` soon, after everything that is ready now. What it throws goes to the exception
    /// handler.
    handle call_soon(detail::callback f, await_site where = await_site::current());
    /// The same from any thread; wakes the loop. Cannot be cancelled.
    void call_soon_threadsafe(detail::callback f, await_site where = await_site::current());
    /// Runs `f()` after `delay` of the loop's time; a zero or negative delay means soon.
    timer_handle call_later(duration delay, detail::callback f,
                            await_site where = await_site::current());
    timer_handle call_at(time_point when, detail::callback f,
                         await_site where = await_site::current());
    // The same in a context of the caller's choice, where they otherwise run in a copy of his own.
    // If somebody is inside of it by then, the exception handler gets an `invalid_state_error`.
    handle call_soon(detail::callback f, const context& in,
                     await_site where = await_site::current());
    void call_soon_threadsafe(detail::callback f, const context& in,
                              await_site where = await_site::current());
    timer_handle call_later(duration delay, detail::callback f, const context& in,
                            await_site where = await_site::current());
    timer_handle call_at(time_point when, detail::callback f, const context& in,
                         await_site where = await_site::current());

    // --- Tasks and futures

    /// Starts a coroutine as a task; its first step runs soon. `name` is for listings.
    template <class T>
    task<T> create_task(coro<T> work, std::string_view name = {},
                        await_site where = await_site::current()) {
        if (has_special_creation_) [[unlikely]] {
            return create_through_factory(any_coro(std::move(work)), name, where).as<T>();
        }
        auto* state = detail::make_typed_task<T>(core(), std::move(work), where);
        task<T> handle(*state);
        detail::start_task(*state, name, where);
        return handle;
    }
    /// As above, in this context instead of a copy of the creator's.
    template <class T>
    task<T> create_task(coro<T> work, const context& in, std::string_view name = {},
                        await_site where = await_site::current()) {
        auto made = create_task(std::move(work), name, where);
        put_into(in, made);
        return made;
    }
    template <class T = void>
    [[nodiscard]] future<T> create_future(await_site where = await_site::current()) {
        expect_usable("loop::create_future");
        return future<T>(new detail::future_state<T>(core(), wait_kind::future, where));
    }

    /// Makes the tasks of this loop: `create_task`, `gather`, `run`, everything. Returns a task
    /// with the coroutine's result type, usually by calling `start_task`. What it throws reaches
    /// the creator. An empty function restores the default.
    using task_factory = std::function<any_task(loop&, any_coro, task_options&)>;
    void set_task_factory(task_factory factory);
    /// What the default factory does.
    any_task start_task(any_coro work, const task_options& options);

    /// Closes the generators that have begun and not ended, newest first; see `async_generator`.
    /// What their clean-up throws goes to the exception handler. Called by `run`.
    coro<> shutdown_generators();

    // --- Exceptions

    using exception_handler = std::function<void(loop&, const exception_context&)>;
    /// Told of exceptions that nobody else can get. An empty function restores the default.
    void set_exception_handler(exception_handler handler);
    /// Calls the handler; if the handler itself throws, the default one is told of both.
    void call_exception_handler(const exception_context& context) noexcept;
    /// Writes the context to standard error.
    void default_exception_handler(const exception_context& context) noexcept;

    // --- Executors

    /// Runs `f()` in the default executor's threads; the future gets its result or exception.
    /// Cancelling the future takes the job back if it has not begun (where the executor can do
    /// that, as ours do); one that has begun goes on, and its result is dropped. Throws what the
    /// executor throws: `queue_full`, `invalid_state_error`.
    template <class F>
    auto run_in_executor(F f, await_site where = await_site::current())
        -> future<std::invoke_result_t<F&>> {
        return run_in_executor(default_executor(), std::move(f), where);
    }
    template <class F>
    auto run_in_executor(executor& in, F f, await_site where = await_site::current())
        -> future<std::invoke_result_t<F&>> {
        using result = std::invoke_result_t<F&>;
        auto* state = new detail::job_future<result>(core(), wait_kind::executor, where);
        future<result> target(state);
        auto job = std::make_unique<detail::typed_job<F, result>>(std::move(f), target, *state);
        job->created_at = where;
        submit(in, std::move(job));
        return target;
    }
    /// Null restores the loop's own pool. Must outlive the jobs given to it.
    void set_default_executor(std::shared_ptr<executor> e);
    [[nodiscard]] executor& default_executor();
    /// Waits until the jobs of the loop's own pool have ended. Called by `run`.
    void shutdown_default_executor();

    // --- Settings and facts

    /// The loop's time: virtual under a fake clock.
    [[nodiscard]] time_point time() const noexcept;
    [[nodiscard]] coroscope::clock& clock() const noexcept;
    void set_debug(bool on) noexcept;
    [[nodiscard]] bool debug() const noexcept;
    /// How many sites `task_handle::origin` has for tasks created from now on. More than one costs
    /// an allocation for each task that is created inside of another.
    void set_origin_depth(std::size_t sites) noexcept;
    [[nodiscard]] std::size_t origin_depth() const noexcept;
    /// The threshold, inclusive, of real time for one step. Zero reports every step.
    void set_slow_callback_duration(duration threshold);
    [[nodiscard]] duration slow_callback_duration() const noexcept;
    /// Unique in this process, from 1.
    [[nodiscard]] std::uint32_t id() const noexcept;
    /// A consistent enough picture, from any thread.
    [[nodiscard]] loop_statistics statistics() const noexcept;
    /// The Asio context that this loop polls. Do not run it yourself.
    [[nodiscard]] boost::asio::io_context& io_context() noexcept;
    /// Deadlines of the armed timers, earliest first.
    [[nodiscard]] std::vector<time_point> pending_deadlines() const;
    /// Moves due timers to the ready queue: for clocks that have just moved.
    void clock_moved();

    // --- Seams

    /// Attaches an observer, filed by the hooks its static type overrides.
    template <class T>
        requires std::derived_from<T, observer>
    void add_observer(T& o) {
        if constexpr (std::is_same_v<T, observer>) {
            attach(o, o.hooks());
        } else {
            attach(o, detail::overridden_hooks<T>());
        }
    }
    /// Does nothing for one that is not attached.
    void remove_observer(observer& o) noexcept;
    /// Delivers step records that wait in the batch.
    void flush_steps() noexcept;
    /// Null restores first in, first out. Must outlive its use.
    void set_schedule_policy(schedule_policy* policy) noexcept;

    // For the library's own components.

    /// Nothing is ready, armed, alive or in flight, and nobody was given the Asio context or has
    /// set a task factory: what runs next may take it for a new loop.
    [[nodiscard]] bool is_as_new() const noexcept;
    void add_pause_sink(detail::pause_sink& sink) noexcept;
    void remove_pause_sink(detail::pause_sink& sink) noexcept;
    [[nodiscard]] detail::loop_core& core() const noexcept { return *core_; }

private:
    class implementation;
    friend any_task current_task();

    any_task create_through_factory(any_coro work, std::string_view name, await_site where);
    void attach(observer& o, hook_set hooks);
    static void put_into(const context& in, const task_handle& made);
    /// Throws if the loop is closed, or in debug mode if this is the wrong thread.
    void expect_usable(const char* what) const;
    /// Throws unless `run_*` may be called now, on this thread.
    void expect_runnable() const;
    void update_creation() noexcept;
    friend struct detail::loop_core;
    friend void detail::start_task(detail::task_core&, std::string_view, await_site,
                                   detail::first_step);
    friend void detail::notify_frame(const void*, std::ptrdiff_t) noexcept;
    void task_started(detail::task_core& task) noexcept;
    template <class F>
    void told(hook which, F&& f) noexcept;
    void submit(executor& in, std::unique_ptr<detail::executor_job> job);
    void run_until_done(detail::completion& c);

    std::unique_ptr<implementation> implementation_;
    detail::loop_core* core_ = nullptr;
    std::optional<std::size_t> origin_depth_;
    /// A factory is set, the loop is closed, debug mode, or creators are noted.
    bool has_special_creation_ = false;
};

/// A task factory (`set_task_factory`) whose tasks begin at once: `create_task` runs the coroutine
/// up to its first suspension, so that one that need not wait is done when `create_task` returns
/// and never passes through the ready queue. Order changes with it: an eager task runs before what
/// is ready already. Its first step counts as its own, not as its creator's.
[[nodiscard]] any_task eager_task_factory(loop& in, any_coro work, task_options& options);

/// The loop that runs on this thread; throws `std::logic_error` ("no running loop") otherwise.
[[nodiscard]] loop& get_running_loop();

}  // namespace coroscope
