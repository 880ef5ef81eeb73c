// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace coroscope::testkit::detail {

/// What a test program's command line may say; empty: nothing.
struct run_settings {
    std::string seed;
    std::string time_limit;
    std::string schedules;
    std::string replay;
    std::string shard;
};

/// Puts what is given into the environment variables that tests read. Throws
/// `std::invalid_argument`, naming the option, for a value that makes no sense.
void apply(const run_settings& given);

}  // namespace coroscope::testkit::detail
