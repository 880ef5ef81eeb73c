// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/client.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

namespace coroscope::profiler_server::cli {

/// Exit codes of the program.
inline constexpr int success = 0;
inline constexpr int over_budget = 1;  ///< `gate` only
inline constexpr int unusable = 2;     ///< wrong usage, unusable input, no answer

/// What commands print to, and how they wait; tests have their own.
struct surroundings {
    std::ostream& out;
    std::ostream& err;
    /// Waits; false: stop following.
    std::function<bool(std::chrono::nanoseconds)> pause;
    bool err_is_terminal = false;  ///< somebody looks on, and is told what takes long
};

struct ps_options {
    std::uint64_t limit = 1'000;
    bool stacks = false;
    bool json = false;
};

struct slow_options {
    bool json = false;
    bool watch = false;
    std::chrono::nanoseconds interval = std::chrono::seconds(1);
};

struct gate_options {
    std::string report;
    std::string baseline;                               ///< empty: none
    std::optional<std::chrono::nanoseconds> threshold;  ///< nothing: the report's own
    std::uint64_t max_slow = 0;
    bool updates_baseline = false;
    bool findings_only = false;
    bool counts_predicted = false;
    bool json = false;
};

enum class export_format { text, pprof, collapsed, speedscope, html, json };

/// How a profile is shown.
struct profile_output {
    export_format to = export_format::text;
    std::string value;  ///< which one; empty: the last
    std::string file;   ///< empty: `surroundings::out`
};

struct convert_options {
    std::string profile;  ///< the file that holds it, as JSON
    profile_output output;
};

struct profile_options {
    std::uint64_t seconds = 10;  ///< of a CPU profile
    std::uint64_t frequency = 250;
    std::uint64_t limit = default_samples;
    profile_output output;
};

struct memory_options {
    report::memory_key by = report::memory_key::lineno;
    report::memory_filter filter;
    std::uint64_t limit = default_rows;
    bool json = false;
};

/// Each returns the exit code, and throws `client_error`, `inspection_error` or
/// `report::report_error`.
int run_ps(const profiler_client& client, const ps_options& options, const surroundings& io);
int run_ps_of_process(std::uint64_t pid, const ps_options& options, const surroundings& io);
int run_ps_of_core(const std::string& core, const std::string& executable,
                   const ps_options& options, const surroundings& io);
int run_time(const profiler_client& client, bool json, const surroundings& io);
int run_slow(const profiler_client& client, const slow_options& options, const surroundings& io);
int run_gate(const gate_options& options, const surroundings& io);
int run_memory(const profiler_client& client, const memory_options& options,
               const surroundings& io);
int run_cpu_profile(const profiler_client& client, const profile_options& options,
                    const surroundings& io);
int run_wait_profile(const profiler_client& client, const profile_options& options,
                     const surroundings& io);
int run_memory_profile(const profiler_client& client, const profile_options& options,
                       const surroundings& io);
int run_convert(const convert_options& options, const surroundings& io);

}  // namespace coroscope::profiler_server::cli
