// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json.hpp>

#include <utility>

namespace coroscope::report {

// What statistics of calls and tables of these have in common as JSON, of times and of memory.

/// How often it was called, how that ended, and the last calls, each as `write(call)`.
template <class Stats, class Write>
nlohmann::json calls_to_json(const Stats& stats, Write write) {
    auto recent = nlohmann::json::array();
    for (const auto& call : stats.recent) {
        recent.push_back(write(call));
    }
    return {{"calls", stats.calls},        {"returned", stats.returned},
            {"threw", stats.threw},        {"cancelled", stats.cancelled},
            {"recent", std::move(recent)}, {"recent_dropped", stats.recent_dropped}};
}

/// Reads them into `stats`, each call as `read(json)`.
template <class Stats, class Read>
void read_calls(Stats& stats, const json_view& json, Read read) {
    stats.calls = json.at("calls").count();
    stats.returned = json.at("returned").count();
    stats.threw = json.at("threw").count();
    stats.cancelled = json.at("cancelled").count();
    for (const auto& call : json.at("recent").elements()) {
        stats.recent.push_back(read(call));
    }
    stats.recent_dropped = json.at("recent_dropped").count();
}

/// Statistics by name.
template <class Table>
nlohmann::json table_to_json(const Table& table) {
    auto json = nlohmann::json::object();
    for (const auto& [name, stats] : table) {
        json[name] = to_json(stats);
    }
    return json;
}

template <class Table, class Read>
Table read_table(const json_view& json, Read read) {
    Table table;
    for (const auto& [name, stats] : json.members()) {
        table.emplace(name, read(stats));
    }
    return table;
}

}  // namespace coroscope::report
