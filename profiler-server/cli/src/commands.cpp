// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "json_output.hpp"
#include "text_table.hpp"

#include <coroscope/report/duration_text.hpp>
#include <coroscope/report/gate.hpp>
#include <coroscope/report/json_view.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>
#include <vector>

namespace coroscope::profiler_server::cli {

namespace {

using report::format_duration;

constexpr std::size_t widest_place = 48;

std::vector<std::string> row_of(const std::string& name, const report::time_stats& stats) {
    const auto calls = static_cast<std::int64_t>(stats.calls);
    return {name,
            std::to_string(stats.calls),
            std::to_string(stats.threw),
            std::to_string(stats.cancelled),
            format_duration(stats.total),
            calls > 0 ? format_duration(stats.total / calls) : "-",
            format_duration(stats.min),
            format_duration(stats.lengths.percentile(50)),
            format_duration(stats.lengths.percentile(99)),
            format_duration(stats.lengths.percentile(99.9)),
            format_duration(stats.max),
            format_duration(stats.last),
            format_duration(stats.busy)};
}

std::string calendar(std::chrono::system_clock::time_point when) {
    const auto seconds = std::chrono::system_clock::to_time_t(when);
    std::tm local{};
    std::array<char, 32> text{};
    if (::localtime_r(&seconds, &local) == nullptr
        || std::strftime(text.data(), text.size(), "%F %T", &local) == 0) {
        return "(unknown time)";
    }
    return text.data();
}

void print_step(std::ostream& out, const report::slow_step& step) {
    out << calendar(step.when) << "  " << printable(summary(step)) << "\n    "
        << printable(describe_span(step)) << " (threshold " << format_duration(step.threshold);
    if (step.cpu) { out << ", CPU " << format_duration(*step.cpu); }
    out << ")\n";
    if (step.cause) { out << "    " << printable(to_string(*step.cause)) << '\n'; }
    if (!step.stack_trouble.empty()) {
        out << "    no stack: " << printable(step.stack_trouble) << '\n';
    }
    if (!step.stack) { return; }
    for (std::size_t at = 0; at < step.stack->frames.size(); ++at) {
        const auto& frame = step.stack->frames[at];
        out << "    #" << at << ' ' << printable(frame.function);
        if (!frame.file.empty()) { out << " at " << printable(frame.file) << ':' << frame.line; }
        out << '\n';
    }
    if (step.stack->truncated) { out << "    (more frames were not captured)\n"; }
}

// Prints the steps after `seen` and returns the number of the last.
std::uint64_t print_new(const std::vector<report::slow_step>& steps, std::uint64_t seen, bool json,
                        std::ostream& out) {
    std::uint64_t last = 0;
    for (const auto& step : steps) {
        last = std::max(last, step.sequence);
    }
    if (last < seen) { seen = 0; }  // another run of the program
    for (const auto& step : steps) {
        if (step.sequence <= seen) { continue; }
        if (json) {
            out << report::json_line(to_json(step)) << '\n';
        } else {
            print_step(out, step);
        }
    }
    out.flush();
    return last;
}

int follow(const profiler_client& client, const slow_options& options, const surroundings& io) {
    auto seen = print_new(client.slow_steps(), 0, options.json, io.out);
    while (io.pause(options.interval)) {
        try {
            seen = print_new(client.slow_steps(), seen, options.json, io.out);
        } catch (const client_error& error) {
            if (error.failure() != client_failure::connect) { throw; }
            io.err << "coroscope: nobody listens on " << client.address()
                   << " any more: the program has ended, or has closed its profiler server\n";
            break;
        }
    }
    return success;
}

/// Of any version, and whatever else is wrong with it. Anything else is somebody's file, which
/// `--baseline` names by mistake.
bool is_some_report(const std::string& path) {
    std::ifstream file(path);
    const auto json = nlohmann::json::parse(file, nullptr, false);
    if (!json.is_object()) { return false; }
    const auto schema = json.find("schema");
    return schema != json.end() && *schema == report::schema_name;
}

/// The first time that one is made, there is none yet.
std::optional<report::report> baseline_of(const gate_options& options) {
    if (options.baseline.empty()) { return {}; }
    if (options.updates_baseline && !std::filesystem::exists(options.baseline)) { return {}; }
    try {
        return report::read_report(options.baseline);
    } catch (const report::report_error& error) {
        if (options.updates_baseline && is_some_report(options.baseline)) { return {}; }
        throw report::report_error(
            error.place(), error.problem(),
            options.updates_baseline
                ? "this is no report, and is not replaced; remove it, or give --baseline another "
                  "name"
                : "give --baseline a report of before; --update-baseline makes one where none is")
            .in_file(error.file());
    }
}

}  // namespace

int run_time(const profiler_client& client, bool json, const surroundings& io) {
    const auto stats = client.time_stats();
    if (json) {
        print_json(io.out, to_json(stats));
        return success;
    }
    if (stats.empty()) {
        io.out << "no profiled function has been called; profile one with profile_time(name, f)\n";
        return success;
    }
    std::vector<report::time_table::const_iterator> order;
    for (auto row = stats.begin(); row != stats.end(); ++row) {
        order.push_back(row);
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return a->second.total != b->second.total ? a->second.total > b->second.total
                                                  : a->first < b->first;
    });
    std::vector<column> columns{{"NAME", alignment::left, widest_place}};
    for (const auto* title : {"CALLS", "THREW", "CANCELLED", "TOTAL", "MEAN", "MIN", "P50", "P99",
                              "P99.9", "MAX", "LAST", "BUSY"}) {
        columns.push_back({title, alignment::right});
    }
    text_table table(std::move(columns));
    for (const auto& row : order) {
        table.add(row_of(row->first, row->second));
    }
    table.print(io.out);
    return success;
}

int run_slow(const profiler_client& client, const slow_options& options, const surroundings& io) {
    if (options.watch) { return follow(client, options, io); }
    const auto steps = client.slow_steps();
    if (options.json) {
        print_json(io.out, array_of(steps));
    } else if (steps.empty()) {
        io.out << "no slow steps so far\n";
    } else {
        for (const auto& step : steps) {
            print_step(io.out, step);
        }
    }
    return success;
}

int run_gate(const gate_options& options, const surroundings& io) {
    const auto run = report::read_report(options.report);
    const auto baseline = baseline_of(options);
    const report::gate_budget budget{options.threshold.value_or(run.slow_threshold),
                                     options.max_slow, !options.findings_only,
                                     options.counts_predicted};
    auto result = report::check_gate(run, budget, baseline ? &*baseline : nullptr);
    if (options.updates_baseline && result.verdict == report::gate_verdict::unusable) {
        result = report::check_gate(run, budget);  // what is replaced need not be fit for anything
    }
    const bool is_unusable = result.verdict == report::gate_verdict::unusable;
    if (options.json) { print_json(io.out, to_json(result)); }
    if (!options.json || is_unusable) {
        auto& to = is_unusable ? io.err : io.out;
        for (const auto& line : result.lines) {
            to << printable(line) << '\n';
        }
    }
    if (!options.updates_baseline || is_unusable) { return report::exit_code(result.verdict); }
    write_report(run, options.baseline);
    (options.json ? io.err : io.out)
        << printable(options.baseline) << " is the baseline from now on: " << run.slow_steps.size()
        << " slow steps and " << run.findings.size() << " findings, whatever was there before\n";
    return success;
}

}  // namespace coroscope::profiler_server::cli
