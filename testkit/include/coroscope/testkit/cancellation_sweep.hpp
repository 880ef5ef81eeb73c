// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/explore.hpp>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace coroscope::testkit {

/// What a test could not stand being cancelled at.
struct cancellation_failure {
    await_site where{};      ///< the co_await that the test stood at, the innermost
    std::uint64_t step = 0;  ///< after which it was cancelled, counted from 0; of any of its tasks
    bool was_cancelled = false;  ///< false: it fails without that, and nothing else was tried
    test_result result;
};

/// What came of cancelling a test everywhere.
struct cancellation_sweep {
    /// Each place once, in the order of the first step that failed there.
    std::vector<cancellation_failure> failures;
    std::uint64_t cancellations = 0;  ///< executions in which the test was cancelled
    std::uint64_t ignored = 0;        ///< of these, after how many it ended as if it had not been
    bool complete = false;            ///< the test has no step that was left out

    [[nodiscard]] bool ok() const noexcept { return failures.empty(); }
};

/// The places and what failed there, or what was tried, in lines for people.
std::ostream& operator<<(std::ostream& out, const cancellation_sweep& sweep);
[[nodiscard]] std::string to_string(const cancellation_sweep& sweep);

namespace detail {

[[nodiscard]] cancellation_sweep explore_cancellations(const std::function<coro<>()>& body,
                                                       const explore_options& options,
                                                       await_site where);

}  // namespace detail

/// Runs a test once as it is, and then once for each of its steps, cancelled after that step, where
/// it stands then. What is left to do is judged as `run_test` does: tasks that leak, a deadlock, an
/// exception that nobody retrieved or that replaces the cancellation. Under the sanitizers, what is
/// used after it was destroyed shows, too.
///
///     const auto swept = explore_cancellations([]() -> coro<> { ... });
///     INFO(to_string(swept));
///     REQUIRE(swept.ok());
///
/// The body's task is the one that is cancelled; the order is first in, first out. To end with a
/// result all the same is no failure, but counted. Of the options, `max_executions` (the most
/// cancellations), `max_steps`, `seed` and `test` count. Throws as `explore`.
template <class F>
    requires std::is_invocable_v<F&>
[[nodiscard]] cancellation_sweep explore_cancellations(F&& f, const explore_options& options = {},
                                                       await_site where = await_site::current()) {
    return detail::with_body(
        f, [&](const auto& body) { return detail::explore_cancellations(body, options, where); });
}

}  // namespace coroscope::testkit
