// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/profiler.hpp>

#include <coroscope/report/duration_text.hpp>

#include <cstdint>
#include <string>

namespace coroscope::instrumentation {
namespace {

/// Of either kind of statistics.
template <class Stats>
std::string counts_text(const std::string& name, const Stats& stats) {
    return name + ": " + std::to_string(stats.calls) + " calls, " + std::to_string(stats.threw)
           + " threw, " + std::to_string(stats.cancelled) + " cancelled; ";
}

template <class Stats>
std::string earlier_calls_text(const std::string& name, const Stats& stats) {
    if (stats.recent_dropped == 0) { return {}; }
    return name + ": " + std::to_string(stats.recent_dropped) + " earlier calls\n";
}

std::string amount_text(std::int64_t bytes, std::int64_t blocks) {
    return std::to_string(bytes) + " bytes in " + std::to_string(blocks) + " blocks";
}

std::string amounts_text(const memory_amounts& amounts) {
    return amount_text(amounts.live_bytes(), amounts.live_blocks()) + " (allocated "
           + amount_text(amounts.allocated_bytes, amounts.allocated_blocks) + ", freed "
           + amount_text(amounts.freed_bytes, amounts.freed_blocks) + ")\n";
}

}  // namespace

std::string log_text(const report::time_table& table) {
    using report::format_duration;
    std::string text;
    for (const auto& [name, stats] : table) {
        text += earlier_calls_text(name, stats);
        for (const auto& call : stats.recent) {
            text += "function " + name + " was called at " + format_duration(call.start)
                    + " and took: " + format_duration(call.delta) + '\n';
        }
        text += counts_text(name, stats) + "total " + format_duration(stats.total) + ", busy "
                + format_duration(stats.busy) + "; " + percentiles_text(stats.lengths) + '\n';
    }
    return text;
}

std::string log_text(const report::memory_table& table) {
    std::string text;
    for (const auto& [name, stats] : table) {
        text += earlier_calls_text(name, stats);
        for (const auto& call : stats.recent) {
            text += "Memory measurements for call of " + name + " at "
                    + report::format_duration(call.completed_at) + '\n';
            for (const auto& row : call.rows) {
                text += "  " + row.key + ": " + amounts_text(row.amounts);
            }
        }
        text += counts_text(name, stats) + "total " + amounts_text(stats.total);
    }
    return text;
}

}  // namespace coroscope::instrumentation
