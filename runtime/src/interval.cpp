// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/interval.hpp>

#include <coroscope/runtime/loop.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace coroscope {

time_point detail::tick_awaiter::await_resume() {
    sleep_awaiter::await_resume();
    return interval_->take(get_running_loop().time());
}

interval::interval(duration period, missed_tick when_late)
    : interval(get_running_loop().time(), period, when_late) {}

interval::interval(time_point first, duration period, missed_tick when_late)
    : next_(first),
      period_(period),
      when_late_(when_late) {
    if (period <= duration::zero()) {
        throw std::invalid_argument("the period of an interval must be positive, but is "
                                    + std::to_string(period.count()) + " ns");
    }
}

void interval::reset() {
    next_ = saturating_add(get_running_loop().time(), period_);
}

time_point interval::take(time_point now) noexcept {
    const auto due = next_;
    next_ = saturating_add(due, period_);
    if (now > due && when_late_ == missed_tick::delay) {
        next_ = saturating_add(now, period_);
    } else if (now >= next_ && when_late_ == missed_tick::skip) {
        next_ = saturating_add(now, period_ - (now - due) % period_);
    }
    return due;
}

}  // namespace coroscope
