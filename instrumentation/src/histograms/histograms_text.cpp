// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_histograms.hpp>

#include <coroscope/report/duration_text.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace coroscope::instrumentation {
namespace {

using report::latency;
using report::latency_row;
using report::latency_table;

void add_line(std::string& text, const char* what, const latency& l) {
    const auto all = l.all();
    if (all.count() == 0) { return; }
    text += "  " + std::string(what) + std::to_string(all.count());
    if (const auto going_on = l.going_on.count(); going_on != 0) {
        text += " (" + std::to_string(going_on) + " going on)";
    }
    text += ": " + percentiles_text(all) + '\n';
}

void add_row(std::string& text, const std::string& title, const latency_row& row) {
    text += title + '\n';
    add_line(text, "steps ", row.step);
    add_line(text, "delays ", row.delay);
    add_line(text, "waits ", row.wait);
}

void add_rows(std::string& text, const std::string& kind, const latency_table::rows& rows) {
    std::vector<std::pair<std::chrono::nanoseconds, const latency_table::rows::value_type*>> order;
    for (const auto& row : rows) {
        if (row.second == latency_row{}) { continue; }  // nothing in this interval
        order.emplace_back(row.second.delay.all().max(), &row);
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second->first < b.second->first;
    });
    for (const auto& [delay, row] : order) {
        add_row(text, kind + row->first, row->second);
    }
}

}  // namespace

std::string log_text(const latency_table& table) {
    std::string text;
    add_row(text, "in " + report::format_duration(table.duration) + ", all tasks", table.total());
    add_rows(text, "coroutine ", table.by_coroutine);
    add_rows(text, "name ", table.by_name);
    if (table.dropped != 0) {
        text += std::to_string(table.dropped)
                + " steps were of tasks without a row of their own: see (other)\n";
    }
    return text;
}

}  // namespace coroscope::instrumentation
