// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/sleep_hook.hpp>

#include <cstdint>
#include <vector>

namespace coroscope {
class loop;
namespace detail {
struct loop_core;
}
}  // namespace coroscope

namespace coroscope::testkit {

/// For a scope, sleeps take no time: each `sleep_for` and `sleep_until` on one loop is recorded and
/// ends at once, behind what is ready already. The clock stands still. `call_later`, timeouts and
/// fake clocks are not concerned; a sleep of the largest duration goes on for ever.
///
///     const intercept_sleep sleeps;
///     co_await backoff(unreachable);
///     CO_CHECK(sleeps.durations() == std::vector<duration>{1s, 2s, 4s});
///
/// Where autojump can do it, prefer that: time then passes, as it would in production. Nested, the
/// innermost one records. **Thread safety**: the loop's thread. **Lifetime**: scopes of one loop
/// end in the reverse order of their beginning; may outlive the loop.
class intercept_sleep final : private coroscope::detail::sleep_hook {
public:
    struct sleep {
        duration requested{};  ///< for `sleep_until`, from then; may be zero or negative
        await_site where{};
        std::uint64_t task_id = 0;
    };

    /// On the loop that runs on this thread; throws `std::logic_error` if there is none.
    intercept_sleep();
    explicit intercept_sleep(loop& on);
    intercept_sleep(const intercept_sleep&) = delete;
    intercept_sleep& operator=(const intercept_sleep&) = delete;
    ~intercept_sleep();

    [[nodiscard]] const std::vector<sleep>& sleeps() const noexcept { return sleeps_; }
    [[nodiscard]] std::vector<duration> durations() const;
    /// Of all sleeps together.
    [[nodiscard]] duration total() const noexcept;

private:
    bool skips(const coroscope::detail::task_core& task, time_point deadline,
               time_point now) override;

    coroscope::detail::loop_core& core_;
    coroscope::detail::sleep_hook* outer_;
    std::vector<sleep> sleeps_;
};

}  // namespace coroscope::testkit
