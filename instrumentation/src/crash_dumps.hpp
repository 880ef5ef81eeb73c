// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace coroscope::instrumentation {

class flight_recorder;

/// Has the trace of `of` written to `file` when the process crashes; see
/// `flight_recorder::dump_on_crash`.
void add_crash_dump(const flight_recorder& of, const std::filesystem::path& file);
void forget_crash_dumps(const flight_recorder& of) noexcept;

}  // namespace coroscope::instrumentation
