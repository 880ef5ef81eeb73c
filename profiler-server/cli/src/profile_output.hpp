// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands.hpp"

#include <coroscope/report/profile.hpp>

#include <string>

namespace coroscope::profiler_server::cli {

/// Writes a profile in the format and to the place that were chosen. `source` says whose it is: a
/// file, an address. Throws `report::report_error` for a value that it has not, or a file that
/// cannot be written.
void write_profile(const report::profile& profile, const std::string& source,
                   const profile_output& output, const surroundings& io);

/// An amount with its unit, for people: `1.50 s`, `2.0 MiB`, `17`.
[[nodiscard]] std::string amount_text(std::int64_t amount, const std::string& unit);

}  // namespace coroscope::profiler_server::cli
