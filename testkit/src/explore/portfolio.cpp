// SPDX-License-Identifier: Apache-2.0
#include "portfolio.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

void portfolio::choose_member() {
    if (!has_begun_) {
        has_begun_ = true;
        return;
    }
    do {
        turn_ = (turn_ + 1) % members_.size();
    } while (members_[turn_]->exhausted());
}

void portfolio::end(const execution_summary& summary) {
    auto& member = *members_[turn_];
    member.end(summary);
    if (!member.exhausted()) { return; }
    // One that has tried everything leaves nothing to the others.
    complete_ = complete_ || member.is_complete();
    exhausted_ =
        complete_ || std::ranges::all_of(members_, [](const auto& m) { return m->exhausted(); });
}

}  // namespace coroscope::testkit::detail
