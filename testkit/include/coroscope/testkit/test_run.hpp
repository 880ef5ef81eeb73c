// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/detail/random_source.hpp>
#include <coroscope/testkit/fake_clock.hpp>

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace coroscope::testkit {

/// Virtual time has come to `test_options::end_of_time`. Thrown where each task stands.
class end_of_time_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Nothing external has come for `test_options::idle_timeout`. Thrown where each task stands.
class idle_timeout_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Why a test failed.
enum class failure_kind : std::uint8_t {
    exception,        ///< left the test's body
    assertion,        ///< one of a test framework's, in an execution of `explore`
    unretrieved,      ///< an exception of some task, future or callback that nobody asked for
    between_tests,    ///< the same, surfaced before the body began, which did not run then; in
                      ///< explorations also between two executions
    deadlock,         ///< nothing could run, no timer was armed, nothing external was awaited
    leaked_task,      ///< alive after the body had ended, and not made by `background`
    leaked_job,       ///< an executor job nobody waited for
    leaked_socket,    ///< open after the body and all tasks had ended
    leaked_timer,     ///< see `test_options::strict_timers`
    leaked_memory,    ///< see `test_options::check_heap`
    runaway,          ///< too many steps
    time_limit,       ///< too much real time
    stopped,          ///< somebody stopped the loop before the body had ended
    not_cancellable,  ///< a task that went on although it was cancelled at the end
    scheduling,       ///< `assert_checkpoints` or `assert_no_checkpoints` does not hold
    clock,            ///< the clock or the loop itself failed, for instance `io_policy::forbid`
    rule,             ///< a rule named in `test_options::fail_on`
    nondeterminism,   ///< two executions of one schedule differed; see explore.hpp
    schedule,         ///< what was to be replayed is not possible any more, or an explored test
                      ///< has a schedule policy of its own
    mock,             ///< a mock or a scripted stream was not used as expected
    outcome,          ///< no serial run has it; see `explore_options::check_outcomes`
    race,             ///< a race detector saw it happen; see `explore_options::find_races`
};

using coroscope::to_string;
[[nodiscard]] const char* to_string(failure_kind kind) noexcept;

/// One reason why a test failed.
struct test_failure {
    failure_kind kind = failure_kind::exception;
    std::string message;           ///< several lines where there is more than one thing to say
    std::exception_ptr exception;  ///< null where none is concerned
    await_site where{};            ///< where to look first; unknown: the test itself
};

/// How `run_test` runs a test.
struct test_options {
    std::string name = "test";  ///< for messages
    bool autojump = true;
    testkit::io_policy io_policy = testkit::io_policy::hold();
    /// Real time for the whole test; unset: 10 s. Zero: none. The environment variable
    /// `COROSCOPE_TEST_TIME_LIMIT` (seconds, may have a fraction) overrides both.
    std::optional<duration> time_limit;
    /// What `this_test().seed()` gives; unset: the environment variable `COROSCOPE_TEST_SEED`, or
    /// else a new one each time.
    std::optional<std::uint64_t> seed;
    /// Virtual time since the start of the test beyond which it does not move: there, every task
    /// gets an `end_of_time_error`, and gets it again if its cleanup sleeps.
    std::optional<duration> end_of_time;
    /// Real time to wait for anything external (I/O, executor jobs, other threads); when it has
    /// passed, every task gets an `idle_timeout_error`.
    std::optional<duration> idle_timeout;
    /// Rules that fail the test: `slow-step` (a step took `slow_callback_duration` or more of real
    /// time), `hold-given-up` (virtual time went on though I/O was in flight), and those of
    /// `instrumentation::lints`, such as `never-awaited` or `mutex-across-suspension`.
    std::vector<std::string> fail_on;
    /// A callback of `call_later` or `call_at` that is still armed when the body has ended fails
    /// the test; otherwise it is dropped in silence.
    bool strict_timers = false;
    /// A block of heap memory that a task of the test allocated, and that is still there when the
    /// loop is gone, fails the test. Needs `instrumentation::hook_memory()`; throws
    /// `std::logic_error` without.
    bool check_heap = false;
    /// Makes the loop, from options that have the test's clock. Its exception handler is replaced.
    std::function<std::unique_ptr<loop>(const loop_options&)> make_loop;
    /// Most steps of a test, and most steps without virtual time moving.
    std::uint64_t max_steps = 100'000'000;
    std::uint64_t max_steps_at_one_instant = 5'000'000;
    /// For adapters to test frameworks: true for the exceptions with which a failed assertion ends
    /// a test. They fail the test, but the framework has reported them.
    std::function<bool(const std::exception_ptr&)> is_reported;
};

/// What came of a test.
struct test_result {
    /// In the order in which they happened, no exception twice.
    std::vector<test_failure> failures;
    /// Worth knowing where a test failed: what held virtual time, for instance.
    std::vector<std::string> notes;
    /// A failure that the framework has reported already (see `test_options::is_reported`).
    bool failed_elsewhere = false;
    duration virtual_elapsed{};  ///< to the end of the body
    std::uint64_t steps = 0;     ///< of tasks and callbacks
    /// A hash of everything that tasks did, in order and with virtual times. Equal for equal runs,
    /// in the same build; knows nothing of real time.
    std::uint64_t event_log_hash = 0;
    std::uint64_t seed = 0;

    [[nodiscard]] bool ok() const noexcept { return failures.empty() && !failed_elsewhere; }
};

/// The failures, notes and the seed, for people; `ok` if there is nothing to say.
std::ostream& operator<<(std::ostream& out, const test_result& result);
[[nodiscard]] std::string to_string(const test_result& result);

/// The test that runs on this thread. **Thread safety**: the test's thread only. **Lifetime**: the
/// test's.
class test_context {
public:
    test_context(const test_context&) = delete;
    test_context& operator=(const test_context&) = delete;

    [[nodiscard]] fake_clock& clock() noexcept { return clock_; }
    [[nodiscard]] coroscope::loop& loop() noexcept { return *loop_; }
    /// For whatever the test draws at random; printed with its failures.
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    /// The test's own generator: `next()`, `below(n)`, or for the standard's distributions. What is
    /// drawn from it follows from the seed, and so is part of the schedule of an exploration.
    [[nodiscard]] detail::random_source& random() noexcept {
        coroscope::detail::note_change(&random_);  // who draws first draws something else
        return random_;
    }

protected:
    test_context() = default;
    ~test_context() = default;

    fake_clock clock_;
    std::unique_ptr<coroscope::loop> loop_;
    std::uint64_t seed_ = 0;
    detail::random_source random_;
};

/// Throws `std::logic_error` where no test runs.
[[nodiscard]] test_context& this_test();

namespace detail {

void mark_background(const task_handle& t);
/// The async context of the test that runs on this thread, for messages: virtual time, seed, the
/// schedule that is replayed, who runs, and all tasks. Empty where none runs.
[[nodiscard]] std::string describe_running_test();
/// The same of a test that has ended, without the tasks.
[[nodiscard]] std::string facts_of(const test_result& result);

/// True while an execution of an exploration runs on this thread: it keeps assertions that fail for
/// itself, as the test framework must not hear of the same one a thousand times.
[[nodiscard]] bool keeps_assertions() noexcept;
/// An assertion has failed in such an execution; `text` begins with its place, in one line.
void keep_assertion(std::string text);
/// What ends a task whose assertion was kept.
struct kept_assertion {};

[[nodiscard]] test_result run_test(const std::function<coro<>()>& body, const test_options& options,
                                   await_site where);

template <class T>
[[nodiscard]] coro<> without_result(coro<T> work) {
    static_cast<void>(co_await std::move(work));
}

}  // namespace detail

/// Starts a task that may outlive the test's body: at the end it is cancelled, and awaited. Tasks
/// that it creates are background tasks, too. Blocked for ever, it is no deadlock; an exception of
/// it fails the test. It ends after the body, and so must not refer to the body's variables.
template <class T>
task<T> background(coro<T> work, std::string_view name = {},
                   await_site where = await_site::current()) {
    auto started = this_test().loop().create_task(std::move(work), name, where);
    detail::mark_background(started);
    return started;
}

/// `co_await settle()`: everything else runs until nothing is ready; time stands still.
inline clock_move settle(await_site where = await_site::current()) {
    return this_test().clock().run_ready(where);
}

/// Runs a test: calls `f()`, which returns a `coro`, on a new loop with a new fake clock, waits
/// until it has ended, and cleans up. For every test framework: give the result to its assertion.
///
///     const auto result = run_test([]() -> coro<> { co_await sleep_for(24h); });
///     INFO(to_string(result));
///     REQUIRE(result.ok());
///
/// A test that cannot go on fails at once. When the body has ended, two passes of the ready queue
/// are left for tasks that are about to end, too; those alive then are leaks. All of them are
/// cancelled and awaited before the loop is closed. Where the real time limit has passed, the test
/// fails; if its thread then does not come back within two seconds, the tasks are printed to
/// standard error and the process ends with status 124.
///
/// Throws `std::logic_error` inside a running loop, and `std::invalid_argument` for options (or an
/// environment variable) that make no sense. **Thread safety**: one test at a time on a thread;
/// tests on several threads do not know of each other.
template <class F>
    requires std::is_invocable_v<F&>
[[nodiscard]] test_result run_test(F&& f, const test_options& options = {},
                                   await_site where = await_site::current()) {
    if constexpr (std::is_same_v<std::invoke_result_t<F&>, coro<>>) {
        return detail::run_test(std::ref(f), options, where);
    } else {
        const auto body = [&f] {
            return detail::without_result(f());
        };
        return detail::run_test(body, options, where);
    }
}

}  // namespace coroscope::testkit
