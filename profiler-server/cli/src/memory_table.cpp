// SPDX-License-Identifier: Apache-2.0
#include "json_output.hpp"
#include "profile_output.hpp"
#include "text_table.hpp"

#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace coroscope::profiler_server::cli {

namespace {

constexpr std::size_t widest_text = 48;

std::string bytes(std::int64_t amount) {
    return amount_text(amount, "bytes");
}

std::vector<std::string> row_of(const std::string& name, const report::memory_stats& stats) {
    return {name,
            std::to_string(stats.calls),
            std::to_string(stats.threw),
            std::to_string(stats.cancelled),
            bytes(stats.total.allocated_bytes),
            std::to_string(stats.total.allocated_blocks),
            bytes(stats.total.freed_bytes),
            bytes(stats.total.live_bytes())};
}

// A traceback on one line.
std::string place_text(const std::string& key) {
    if (key.empty()) { return "(no task)"; }
    std::string text;
    for (const char byte : key) {
        if (byte == '\n') {
            text += " <- ";
        } else {
            text += byte;
        }
    }
    return text;
}

// What the kept calls of one name changed, by key, the largest change of live bytes first.
void print_places(std::ostream& out, const std::string& name, const report::memory_stats& stats) {
    std::map<std::string, report::memory_amounts> sums;
    for (const auto& call : stats.recent) {
        for (const auto& row : call.rows) {
            sums[row.key] += row.amounts;
        }
    }
    if (sums.empty()) { return; }
    std::vector<report::memory_row> rows;
    for (auto& [key, amounts] : sums) {
        rows.push_back({key, amounts});
    }
    report::sort_rows(rows);
    out << '\n' << printable(name) << ", the last " << stats.recent.size() << " calls:\n";
    text_table table({{"ALLOCATED", alignment::right},
                      {"BLOCKS", alignment::right},
                      {"FREED", alignment::right},
                      {"KEPT", alignment::right},
                      {"WHERE"}});
    for (const auto& row : rows) {
        table.add({bytes(row.amounts.allocated_bytes), std::to_string(row.amounts.allocated_blocks),
                   bytes(row.amounts.freed_bytes), bytes(row.amounts.live_bytes()),
                   place_text(row.key)});
    }
    table.print(out);
}

}  // namespace

int run_memory(const profiler_client& client, const memory_options& options,
               const surroundings& io) {
    const auto answer = client.memory_stats(options.by, options.filter, options.limit);
    if (answer.omitted > 0) {
        io.err << "coroscope: " << answer.omitted
               << " rows of calls are together, as (other); --limit takes more\n";
    }
    if (options.json) {
        print_json(io.out, to_json(answer.table));
        return success;
    }
    if (answer.table.empty()) {
        io.out << "no function whose memory is profiled has been called; profile one with "
                  "profile_memory(name, f)\n";
        return success;
    }
    std::vector<column> columns{{"NAME", alignment::left, widest_text}};
    for (const auto* title :
         {"CALLS", "THREW", "CANCELLED", "ALLOCATED", "BLOCKS", "FREED", "KEPT"}) {
        columns.push_back({title, alignment::right});
    }
    text_table table(std::move(columns));
    for (const auto& [name, stats] : answer.table) {
        table.add(row_of(name, stats));
    }
    table.print(io.out);
    for (const auto& [name, stats] : answer.table) {
        print_places(io.out, name, stats);
    }
    return success;
}

}  // namespace coroscope::profiler_server::cli
