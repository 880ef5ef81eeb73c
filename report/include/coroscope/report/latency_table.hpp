// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram.hpp>
#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace coroscope::report {

/// What is too much for a bounded table is counted under this key.
inline constexpr std::string_view other_key = "(other)";

/// How long things of one kind took. What has not ended yet counts with its age, or the longest
/// ones would be missing just when they matter.
struct latency {
    histogram ended;
    histogram going_on;  ///< ages, at the moment of reading

    [[nodiscard]] histogram all() const;
    void merge(const latency& more);

    friend bool operator==(const latency&, const latency&) = default;
};

/// The latencies of some tasks.
struct latency_row {
    latency step;   ///< from one resumption to the next suspension
    latency delay;  ///< a task could go on, and waited for its turn
    latency wait;   ///< a task waited for what it asked for

    void merge(const latency_row& more);

    friend bool operator==(const latency_row&, const latency_row&) = default;
};

/// The latencies of a loop, over an interval.
struct latency_table {
    using rows = std::map<std::string, latency_row, std::less<>>;

    std::chrono::nanoseconds duration{0};  ///< of the interval
    rows by_coroutine;                     ///< the function that the task runs
    rows by_name;
    std::uint64_t dropped = 0;  ///< steps whose task had no row of its own, under `other_key`

    [[nodiscard]] latency_row total() const;
    /// What has ended since that earlier reading of the same loop, and what goes on now. Adding up
    /// what ended in successive differences gives the counts and sums of the last reading.
    [[nodiscard]] latency_table since(const latency_table& earlier) const;

    friend bool operator==(const latency_table&, const latency_table&) = default;
};

[[nodiscard]] nlohmann::json to_json(const latency_table& table);
[[nodiscard]] latency_table read_latency_table(const json_view& json);

}  // namespace coroscope::report
