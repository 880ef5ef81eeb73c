// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <coroscope/report/error.hpp>
#include <coroscope/report/profile_export.hpp>

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <ostream>

namespace coroscope::profiler_server::cli {

namespace {

report::report_error error_of(const std::string& file, const std::string& problem,
                              const std::string& next_step) {
    return report::report_error("", problem, next_step).in_file(file);
}

report::profile read_profile_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad()) {
        throw error_of(name, "cannot be read", "give the name of a profile's file");
    }
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        throw error_of(name, "is not JSON, or not all of it",
                       "give a profile as report::to_json writes it");
    }
    try {
        return report::read_profile(report::json_view(json));
    } catch (const report::report_error& error) { throw error.in_file(name); }
}

std::size_t chosen_value(const report::profile& profile, const convert_options& options) {
    if (options.value.empty()) { return profile.values.size() - 1; }
    if (const auto found = report::find_value(profile, options.value)) { return *found; }
    std::string known;
    for (const auto& type : profile.values) {
        known += (known.empty() ? "" : ", ") + type.name;
    }
    throw error_of(options.profile, "has no value '" + options.value + "'",
                   "choose one of: " + known);
}

std::string converted(const report::profile& profile, const convert_options& options) {
    const auto value = chosen_value(profile, options);
    switch (options.to) {
    case export_format::pprof: return report::pprof_file(profile, value, options.profile);
    case export_format::collapsed: return report::collapsed_stacks(profile, value);
    case export_format::speedscope: return report::speedscope_json(profile, options.profile);
    case export_format::html:
        return report::flame_graph_html(profile, value, profile.kind + ": " + options.profile);
    case export_format::json: break;
    }
    return report::json_line(report::to_json(profile)) + '\n';
}

}  // namespace

int run_convert(const convert_options& options, const surroundings& io) {
    const auto text = converted(read_profile_file(options.profile), options);
    if (options.output.empty()) {
        io.out << text << std::flush;
        if (!io.out) {
            throw error_of("standard output", "cannot be written", "give a file to -o");
        }
        return success;
    }
    std::ofstream file(options.output, std::ios::binary);
    file << text << std::flush;
    if (!file) { throw error_of(options.output, "cannot be written", "give another name to -o"); }
    return success;
}

}  // namespace coroscope::profiler_server::cli
