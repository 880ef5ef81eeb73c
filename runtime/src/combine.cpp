// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/combine.hpp>

#include "time_limit.hpp"

namespace coroscope::detail {

expiry::expiry(duration timeout, await_site where)
    : task_(current_task()),
      requests_before_(task_.cancelling()) {
    timer_ = arm_limit(
        get_running_loop(), timeout,
        [this] {
            expired_ = true;
            task_.cancel();
        },
        where);
}

expiry::~expiry() {
    timer_.cancel();
    if (expired_) {
        take_back();  // in time after all: the request must not reach what comes next
    }
}

bool expiry::caused_cancellation() {
    if (!expired_) { return false; }
    expired_ = false;
    return take_back();
}

bool expiry::take_back() {
    if (task_.uncancel() > requests_before_) { return false; }
    task_.core().must_cancel = false;
    return true;
}

void throw_timeout(duration timeout, await_site where) {
    const auto seconds = std::chrono::duration<double>(timeout).count();
    throw timeout_error("the operation did not finish within " + std::to_string(seconds)
                        + " s (wait_for at " + to_string(where) + ")");
}

}  // namespace coroscope::detail
