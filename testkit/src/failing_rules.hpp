// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/lints.hpp>

#include <memory>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// Throws `std::invalid_argument` unless all of them are rules that can fail a test.
void check_rules(const std::vector<std::string>& named);

/// Lints that check the rules of theirs that are named, and no others; null if there are none.
[[nodiscard]] std::unique_ptr<instrumentation::lints> lints_for(
    const std::vector<std::string>& named);

}  // namespace coroscope::testkit::detail
