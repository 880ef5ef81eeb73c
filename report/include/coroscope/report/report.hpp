// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/error.hpp>
#include <coroscope/report/finding.hpp>
#include <coroscope/report/slow_step.hpp>
#include <coroscope/report/snapshot.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

/// What `"schema"` says in every report.
inline constexpr std::string_view schema_name = "coroscope-report";
/// What `"schema_version"` says; readers refuse what is newer, and ignore members they do not know.
inline constexpr int schema_version = 1;

/// What one run of one program has to say, as it is stored in a file and judged by the gate.
struct report {
    std::string program;
    std::chrono::system_clock::time_point started;
    std::chrono::system_clock::time_point finished;

    /// Steps that took at least this were recorded; nothing is known about shorter ones.
    std::chrono::nanoseconds slow_threshold{0};
    /// In the order of recording. Bounded: see `add_slow_step`.
    std::vector<slow_step> slow_steps;
    /// Slow steps that are not in the list. None of them was slower than any that is.
    std::uint64_t slow_steps_dropped = 0;

    std::vector<finding> findings;  ///< all but slow steps
    std::uint64_t findings_dropped = 0;
    time_table time;
    std::vector<loop_stats> loops;

    friend bool operator==(const report&, const report&) = default;
};

/// Adds a slow step and keeps at most `limit`, the slowest ones, counting what falls out. Of
/// equally slow steps the earlier one stays.
void add_slow_step(report& to, slow_step step, std::size_t limit = 1000);

[[nodiscard]] nlohmann::json to_json(const report& report);

/// Reads a report from JSON text. Throws `report_error`: not JSON (with the byte), cut off, another
/// schema, a newer version, a member that is missing, of the wrong type, negative or too large.
[[nodiscard]] report from_json(std::string_view text);

/// Reads a report from a file. Throws `report_error`, which then names the file; also where the
/// file cannot be read.
[[nodiscard]] report read_report(const std::filesystem::path& path);

/// Writes a report to a file, all or nothing: it goes to a new file beside `path`, which then takes
/// its name, so that a reader never sees half a report. Throws `report_error` where that fails, and
/// leaves what was there.
void write_report(const report& report, const std::filesystem::path& path);

}  // namespace coroscope::report
