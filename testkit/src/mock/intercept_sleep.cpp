// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/intercept_sleep.hpp>

#include <coroscope/runtime/loop.hpp>

#include <algorithm>

namespace coroscope::testkit {

intercept_sleep::intercept_sleep() : intercept_sleep(get_running_loop()) {}

intercept_sleep::intercept_sleep(loop& on) : core_(on.core()), outer_(core_.sleeps) {
    core_.sleeps = this;
    core_.add_reference();
}

intercept_sleep::~intercept_sleep() {
    core_.sleeps = outer_;
    core_.release();
}

std::vector<duration> intercept_sleep::durations() const {
    std::vector<duration> all;
    for (const auto& each : sleeps_) {
        all.push_back(each.requested);
    }
    return all;
}

duration intercept_sleep::total() const noexcept {
    duration sum{};
    for (const auto& each : sleeps_) {
        sum += each.requested;
    }
    return sum;
}

bool intercept_sleep::skips(const coroscope::detail::task_core& task, time_point deadline,
                            time_point now) {
    if (deadline == time_point::max()) { return false; }
    constexpr time_point earliest{duration::min() / 2};  // lest the difference overflow
    sleeps_.push_back({std::max(deadline, earliest) - now, task.top->site, task.id()});
    return true;
}

}  // namespace coroscope::testkit
