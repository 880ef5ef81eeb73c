// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/timeout_scope.hpp>

#include <coroscope/runtime/loop.hpp>

#include "time_limit.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

namespace coroscope {

timeout_scope::timeout_scope(duration timeout) {
    if (timeout != duration::max()) { when_ = saturating_add(get_running_loop().time(), timeout); }
}

void timeout_scope::enter(await_site where) {
    if (state_ != state::created) {
        throw invalid_state_error("the timeout_scope entered at " + to_string(where_)
                                  + " was run a second time at " + to_string(where)
                                  + "; make one for each run");
    }
    task_ = current_task();
    where_ = where;
    requests_before_ = task_.cancelling();
    state_ = state::entered;
    arm();
}

void timeout_scope::reschedule(std::optional<time_point> when) {
    if (state_ != state::entered) {
        const char* why = state_ == state::created  ? "its body does not run yet"
                          : state_ == state::exited ? "its body has ended"
                                                    : "its time is up";
        throw invalid_state_error(std::string("a timeout_scope was rescheduled, but ") + why
                                  + "; call reschedule from the body, before the deadline");
    }
    when_ = when;
    timer_.cancel();
    arm();
}

void timeout_scope::arm() {
    if (!when_.has_value()) { return; }
    timer_ = detail::arm_limit(
        get_running_loop(), *when_, [this] { expire(); }, where_);
}

void timeout_scope::expire() {
    state_ = state::expiring;
    task_.cancel();
}

bool timeout_scope::leave() noexcept {
    timer_.cancel();
    if (state_ == state::entered) { state_ = state::exited; }
    if (state_ != state::expiring) { return false; }
    state_ = state::expired;
    if (task_.uncancel() > requests_before_) { return false; }
    task_.core().must_cancel = false;  // in time after all: it must not reach what comes next
    return true;
}

void timeout_scope::throw_expired() const {
    const auto deadline = std::chrono::duration<double>(when_->time_since_epoch()).count();
    throw timeout_error("the time was up at " + std::to_string(deadline)
                        + " s of the loop's time (timeout_scope run at " + to_string(where_) + ")");
}

}  // namespace coroscope
