// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/eventually.hpp>

#include "task_report.hpp"

#include <ostream>

namespace coroscope::testkit {

std::ostream& operator<<(std::ostream& out, const timed_verdict& v) {
    return out << v.what_ << (v.holds_ ? ", after " : " after ") << detail::seconds(v.after_);
}

std::optional<time_point> detail::next_change(time_point end) {
    const auto& timers = this_test().loop().core().timers;
    if (timers.empty() || timers.next_deadline() > end) { return std::nullopt; }
    return timers.next_deadline();
}

}  // namespace coroscope::testkit
