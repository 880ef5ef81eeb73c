// SPDX-License-Identifier: Apache-2.0
#include "profile_output.hpp"

#include "text_table.hpp"

#include <coroscope/report/duration_text.hpp>
#include <coroscope/report/error.hpp>
#include <coroscope/report/profile_export.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <ostream>
#include <sstream>

namespace coroscope::profiler_server::cli {

namespace {

constexpr std::size_t most_rows = 20;
constexpr std::size_t widest_name = 72;

std::size_t chosen_value(const report::profile& profile, const std::string& source,
                         const std::string& name) {
    if (name.empty()) { return profile.values.size() - 1; }
    if (const auto found = report::find_value(profile, name)) { return *found; }
    std::string known;
    for (const auto& type : profile.values) {
        known += (known.empty() ? "" : ", ") + type.name;
    }
    throw report::report_error("", "has no value '" + name + "'", "choose one of: " + known)
        .in_file(source);
}

std::string fixed(double number, int digits, const char* unit) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f%s", digits, number, unit);
    return text.data();
}

std::string share_text(std::int64_t part, std::int64_t whole) {
    return fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1, " %");
}

void print_profile(const report::profile& profile, std::size_t value, std::ostream& out) {
    const auto& [name, unit] = profile.values[value];
    const auto shares = report::frame_shares(profile, value);
    std::int64_t whole = 0;
    for (const auto& share : shares) {
        whole += share.self;
    }
    out << profile.kind << " profile: " << amount_text(whole, unit) << ' ' << printable(name);
    if (profile.duration.count() > 0) {
        out << " in " << report::format_duration(profile.duration);
    }
    if (profile.dropped > 0) { out << ", " << profile.dropped << " dropped"; }
    out << '\n';
    if (whole == 0) { return; }
    text_table table({{"SELF", alignment::right},
                      {"%", alignment::right},
                      {"TOTAL", alignment::right},
                      {"%", alignment::right},
                      {"WHERE", alignment::left, widest_name}});
    for (std::size_t at = 0; at < std::min(shares.size(), most_rows); ++at) {
        const auto& share = shares[at];
        table.add({amount_text(share.self, unit), share_text(share.self, whole),
                   amount_text(share.total, unit), share_text(share.total, whole), share.name});
    }
    table.print(out);
    if (shares.size() > most_rows) {
        out << "and " << shares.size() - most_rows << " more; --to html has all, with the stacks\n";
    }
}

std::string written(const report::profile& profile, const std::string& source,
                    const profile_output& output) {
    const auto value = chosen_value(profile, source, output.value);
    switch (output.to) {
    case export_format::text: break;
    case export_format::pprof: return report::pprof_file(profile, value, source);
    case export_format::collapsed: return report::collapsed_stacks(profile, value);
    case export_format::speedscope: return report::speedscope_json(profile, source);
    case export_format::html:
        return report::flame_graph_html(profile, value, profile.kind + ": " + source);
    case export_format::json: return report::json_line(report::to_json(profile)) + '\n';
    }
    std::ostringstream text;
    print_profile(profile, value, text);
    return text.str();
}

}  // namespace

std::string amount_text(std::int64_t amount, const std::string& unit) {
    if (unit == "nanoseconds") { return report::format_duration(std::chrono::nanoseconds(amount)); }
    if (unit != "bytes") { return std::to_string(amount); }
    constexpr std::array units{"KiB", "MiB", "GiB", "TiB"};
    const char* name = "B";
    auto number = static_cast<double>(amount);
    for (const auto* larger : units) {
        if (std::abs(number) < 1024.0) { break; }
        number /= 1024.0;
        name = larger;
    }
    return fixed(number, name == std::string("B") ? 0 : 1, " ") + name;
}

void write_profile(const report::profile& profile, const std::string& source,
                   const profile_output& output, const surroundings& io) {
    const auto text = written(profile, source, output);
    if (output.file.empty()) {
        io.out << text << std::flush;
        if (!io.out) {
            throw report::report_error("", "cannot be written", "give a file to -o")
                .in_file("standard output");
        }
        return;
    }
    std::ofstream file(output.file, std::ios::binary);
    file << text << std::flush;
    if (!file) {
        throw report::report_error("", "cannot be written", "give another name to -o")
            .in_file(output.file);
    }
}

}  // namespace coroscope::profiler_server::cli
