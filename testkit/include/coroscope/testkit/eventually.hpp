// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/test_run.hpp>

#include <coroscope/runtime/coro.hpp>

#include <iosfwd>
#include <optional>
#include <type_traits>
#include <utility>

namespace coroscope::testkit {

/// Whether something came true, or stayed true, in virtual time; prints itself.
class timed_verdict {
public:
    timed_verdict(bool holds, const char* what, duration after) noexcept
        : holds_(holds),
          what_(what),
          after_(after) {}
    explicit operator bool() const noexcept { return holds_; }
    /// Virtual time until it was decided.
    [[nodiscard]] duration after() const noexcept { return after_; }
    friend std::ostream& operator<<(std::ostream& out, const timed_verdict& v);

private:
    bool holds_;
    const char* what_;
    duration after_;
};

namespace detail {

/// The next instant, up to `end`, at which anything may change by itself; empty: none.
[[nodiscard]] std::optional<time_point> next_change(time_point end);

/// Calls the predicate, a plain function or one that returns `coro<bool>`.
template <class Predicate>
[[nodiscard]] coro<bool> ask(Predicate& predicate) {
    using answer = std::invoke_result_t<Predicate&>;
    if constexpr (std::is_convertible_v<answer, bool>) {
        co_return static_cast<bool>(predicate());
    } else {
        const bool value = co_await predicate();
        co_return value;
    }
}

/// Asks at each instant up to the end at which something happens, once all is settled; stops at the
/// first answer `wanted`. Empty: it never came.
template <class Predicate>
[[nodiscard]] coro<std::optional<duration>> first_time(Predicate& predicate, bool wanted,
                                                       duration length) {
    auto& clock = this_test().clock();
    const auto begin = clock.now();
    const auto end = saturating_add(begin, length);
    for (;;) {
        co_await clock.run_ready();
        const bool answer = co_await ask(predicate);
        if (answer == wanted) { co_return clock.now() - begin; }
        if (clock.now() >= end) { co_return std::nullopt; }
        const auto next = next_change(end);
        co_await clock.advance(next.value_or(end) - clock.now());
    }
}

}  // namespace detail

/// `co_await eventually(predicate, within)`: true as soon as the predicate is, at the latest after
/// this much virtual time. The predicate is asked whenever everything has settled at an instant at
/// which something happens, and not at others: it should depend on what tasks do. It may be a plain
/// function or return `coro<bool>`. For an assertion of whatever framework:
///
///     CO_CHECK(co_await eventually([&] { return cache.is_filled(); }, 30s));
///
/// Meanwhile virtual time moves as with `fake_clock::advance`. Gomega and ScalaTest have the name
/// and poll in real time; here nothing is missed and nothing is waited for.
template <class Predicate>
[[nodiscard]] coro<timed_verdict> eventually(Predicate predicate, duration within) {
    const auto found = co_await detail::first_time(predicate, true, within);
    co_return timed_verdict(found.has_value(), found.has_value() ? "came true" : "never came true",
                            found.value_or(within));
}

/// `co_await always(predicate, during)`: true if the predicate is at each settled instant, from now
/// until this much virtual time later. Gomega calls it `Consistently`.
template <class Predicate>
[[nodiscard]] coro<timed_verdict> always(Predicate predicate, duration during) {
    const auto broken = co_await detail::first_time(predicate, false, during);
    co_return timed_verdict(!broken.has_value(), broken.has_value() ? "ceased to hold" : "held",
                            broken.value_or(during));
}

}  // namespace coroscope::testkit
