// SPDX-License-Identifier: Apache-2.0
#include "profile_output.hpp"

#include <coroscope/report/error.hpp>

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>

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

}  // namespace

int run_convert(const convert_options& options, const surroundings& io) {
    write_profile(read_profile_file(options.profile), options.profile, options.output, io);
    return success;
}

}  // namespace coroscope::profiler_server::cli
