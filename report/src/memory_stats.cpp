// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/memory_stats.hpp>

#include "enumerator_names.hpp"
#include "statistics_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace coroscope::report {

namespace {

constexpr enumerator_names<memory_key, 4> key_names{{{memory_key::lineno, "lineno"},
                                                     {memory_key::filename, "filename"},
                                                     {memory_key::traceback, "traceback"},
                                                     {memory_key::task, "task"}}};

nlohmann::json to_json(const memory_amounts& amounts) {
    return {{"allocated_bytes", amounts.allocated_bytes},
            {"allocated_blocks", amounts.allocated_blocks},
            {"freed_bytes", amounts.freed_bytes},
            {"freed_blocks", amounts.freed_blocks}};
}

memory_amounts read_amounts(const json_view& json) {
    return {json.at("allocated_bytes").amount(), json.at("allocated_blocks").amount(),
            json.at("freed_bytes").amount(), json.at("freed_blocks").amount()};
}

nlohmann::json to_json(const memory_call& call) {
    auto rows = nlohmann::json::array();
    for (const auto& row : call.rows) {
        auto json = to_json(row.amounts);
        json["key"] = row.key;
        rows.push_back(std::move(json));
    }
    return {{"completed_at_ns", call.completed_at.count()}, {"rows", std::move(rows)}};
}

memory_call read_call(const json_view& json) {
    memory_call call;
    call.completed_at = json.at("completed_at_ns").nanoseconds();
    for (const auto& row : json.at("rows").elements()) {
        call.rows.push_back({row.at("key").text(), read_amounts(row)});
    }
    return call;
}

}  // namespace

memory_amounts& memory_amounts::operator+=(const memory_amounts& other) noexcept {
    allocated_bytes += other.allocated_bytes;
    allocated_blocks += other.allocated_blocks;
    freed_bytes += other.freed_bytes;
    freed_blocks += other.freed_blocks;
    return *this;
}

memory_amounts& memory_amounts::operator-=(const memory_amounts& other) noexcept {
    allocated_bytes -= other.allocated_bytes;
    allocated_blocks -= other.allocated_blocks;
    freed_bytes -= other.freed_bytes;
    freed_blocks -= other.freed_blocks;
    return *this;
}

void merge_memory(memory_table& into, const memory_table& more) {
    for (const auto& [name, stats] : more) {
        auto& row = into[name];
        row.calls += stats.calls;
        row.returned += stats.returned;
        row.threw += stats.threw;
        row.cancelled += stats.cancelled;
        row.total += stats.total;
        row.recent.insert(row.recent.end(), stats.recent.begin(), stats.recent.end());
        row.recent_dropped += stats.recent_dropped;
    }
}

void sort_rows(std::vector<memory_row>& rows) {
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        const auto of_a = std::abs(a.amounts.live_bytes());
        const auto of_b = std::abs(b.amounts.live_bytes());
        return of_a != of_b ? of_a > of_b : a.key < b.key;
    });
}

std::uint64_t limit_rows(memory_table& table, std::size_t most) {
    std::uint64_t omitted = 0;
    for (auto& [name, stats] : table) {
        for (auto& call : stats.recent) {
            if (call.rows.size() <= most) { continue; }
            memory_row other{"(other)", {}};
            for (auto at = most; at < call.rows.size(); ++at) {
                other.amounts += call.rows[at].amounts;
            }
            omitted += call.rows.size() - most;
            call.rows.resize(most);
            call.rows.push_back(std::move(other));
        }
    }
    return omitted;
}

std::string_view to_string(memory_key key) {
    return name_of(key_names, key);
}

std::optional<memory_key> find_memory_key(std::string_view name) {
    for (const auto& [key, known] : key_names) {
        if (name == known) { return key; }
    }
    return std::nullopt;
}

nlohmann::json to_json(const memory_stats& stats) {
    auto json = calls_to_json(stats, [](const memory_call& call) { return to_json(call); });
    json["total"] = to_json(stats.total);
    return json;
}

memory_stats read_memory_stats(const json_view& json) {
    memory_stats stats;
    read_calls(stats, json, &read_call);
    stats.total = read_amounts(json.at("total"));
    return stats;
}

nlohmann::json to_json(const memory_table& table) {
    return table_to_json(table);
}

memory_table read_memory_table(const json_view& json) {
    return read_table<memory_table>(json, &read_memory_stats);
}

}  // namespace coroscope::report
