// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <cstdint>

namespace coroscope::testkit {

namespace detail {

/// How often the running task had been suspended when this was made.
class suspension_count {
public:
    /// Throws `std::logic_error` outside of a task of a test.
    suspension_count(const char* who, await_site where);

    /// Whether the task has been suspended since; false if it does not run now, because it is being
    /// destroyed.
    [[nodiscard]] bool has_grown() const noexcept;
    [[nodiscard]] bool is_in_task() const noexcept;
    [[nodiscard]] await_site where() const noexcept { return where_; }

private:
    std::uint64_t task_;
    std::uint32_t sequence_;
    await_site where_;
};

/// Fails the running test; for destructors.
void fail_checkpoints(const suspension_count& since, const char* what) noexcept;

}  // namespace detail

/// Says that the task passes at least one checkpoint until the end of the scope: that it is
/// suspended once, so that others can run and it can be cancelled. Otherwise the test fails. A
/// scope that is left by an exception may have none.
///
///     {
///         const assert_checkpoints here;
///         co_await source.next();  // must not be an endless source of ready values
///     }
///
/// As trio.testing's `assert_checkpoints`; a `co_await` that has its result already is no
/// checkpoint. **Thread safety**, **Lifetime**: a local variable of a task of a test.
class [[nodiscard("it says something of the scope that it lives in")]] assert_checkpoints {
public:
    explicit assert_checkpoints(await_site where = await_site::current());
    assert_checkpoints(const assert_checkpoints&) = delete;
    assert_checkpoints& operator=(const assert_checkpoints&) = delete;
    ~assert_checkpoints();

private:
    detail::suspension_count before_;
    int exceptions_;
};

/// Says that the task passes no checkpoint until the end of the scope: nobody else runs meanwhile,
/// and what was true stays true. Otherwise the test fails, also if the scope is left by an
/// exception.
///
///     {
///         const assert_no_checkpoints here;
///         co_await ready_queue.get();  // has its item already
///     }
///
/// As trio.testing's `assert_no_checkpoints`.
class [[nodiscard("it says something of the scope that it lives in")]] assert_no_checkpoints {
public:
    explicit assert_no_checkpoints(await_site where = await_site::current());
    assert_no_checkpoints(const assert_no_checkpoints&) = delete;
    assert_no_checkpoints& operator=(const assert_no_checkpoints&) = delete;
    ~assert_no_checkpoints();

private:
    detail::suspension_count before_;
};

}  // namespace coroscope::testkit
