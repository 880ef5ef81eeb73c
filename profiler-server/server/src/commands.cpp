// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <coroscope/profiler_server/protocol/version.hpp>

#include <coroscope/report/report.hpp>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <cerrno>

namespace coroscope::profiler_server {

namespace {

using protocol::answer;

constexpr std::uint64_t default_limit = 1'000;
constexpr std::uint64_t largest_limit = 1'000'000;

template <typename Value>
nlohmann::json array_of(const std::vector<Value>& values) {
    auto array = nlohmann::json::array();
    for (const auto& value : values) {
        array.push_back(to_json(value));
    }
    return array;
}

answer tasks(facts_source& facts, const nlohmann::json& arguments) {
    const auto limit = protocol::count_argument(arguments, "limit", default_limit, largest_limit);
    const auto list = protocol::flag_argument(arguments, "stacks") ? facts.tasks_with_stacks(limit)
                                                                   : facts.tasks(limit);
    return {array_of(list.tasks), list.omitted};
}

answer findings(facts_source& facts) {
    auto all = facts.findings();
    for (const auto& step : facts.slow_steps()) {
        all.push_back(report::to_finding(step));
    }
    return {array_of(all), 0};
}

nlohmann::json version(const std::string& program) {
    return {{"program", program.empty() ? program_invocation_short_name : program},
            {"pid", ::getpid()},
            {"coroscope", protocol::library_version()},
            {"protocol", protocol::protocol_version},
            {"report_schema", report::schema_version}};
}

}  // namespace

protocol::command_table make_command_table(facts_source& facts, const std::string& program) {
    using nlohmann::json;
    protocol::command_table table;
    table.add("time_stats", [&facts](const json&) {
        return answer{to_json(facts.time_stats()), 0};
    });
    table.add("tasks", [&facts](const json& arguments) { return tasks(facts, arguments); });
    table.add("findings", [&facts](const json&) { return findings(facts); });
    table.add("slow_steps", [&facts](const json&) {
        return answer{array_of(facts.slow_steps()), 0};
    });
    table.add("loop_stats", [&facts](const json&) {
        return answer{array_of(facts.loop_stats()), 0};
    });
    table.add("version", [program](const json&) { return answer{version(program), 0}; });
    return table;
}

}  // namespace coroscope::profiler_server
