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
constexpr std::uint64_t default_samples = 10'000;  // a few megabytes
constexpr std::uint64_t default_rows = 100;        // of each call
constexpr std::uint64_t most_seconds = 300;
constexpr std::uint64_t most_frequency = 10'000;

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

// The facts' refusals with the protocol's codes.
template <typename Ask>
auto asked(Ask ask) {
    try {
        return ask();
    } catch (const no_facts_error& error) {
        throw protocol::command_error(error.why() == no_facts_error::reason::busy
                                          ? protocol::error_code::busy
                                          : protocol::error_code::unavailable,
                                      error.what());
    }
}

std::uint64_t profile_limit(const nlohmann::json& arguments) {
    return protocol::count_argument(arguments, "limit", default_samples, largest_limit);
}

answer limited(report::profile profile, std::uint64_t limit) {
    const auto omitted = report::limit_samples(profile, limit);
    return {to_json(profile), omitted};
}

answer memory_stats(facts_source& facts, const nlohmann::json& arguments) {
    const auto name = protocol::text_argument(arguments, "by").value_or("lineno");
    const auto by = report::find_memory_key(name);
    if (!by) {
        throw protocol::bad_argument("arguments.by must be lineno, filename, traceback or task");
    }
    report::memory_filter filter;
    filter.cumulative = protocol::flag_argument(arguments, "cumulative");
    filter.include = protocol::texts_argument(arguments, "include").value_or(filter.include);
    filter.exclude = protocol::texts_argument(arguments, "exclude").value_or(filter.exclude);
    const auto limit = protocol::count_argument(arguments, "limit", default_rows, largest_limit);
    auto table = asked([&] { return facts.memory_stats(*by, filter); });
    const auto omitted = report::limit_rows(table, limit);
    return {to_json(table), omitted};
}

answer cpu_profile(facts_source& facts, const nlohmann::json& arguments,
                   const std::stop_token& stop) {
    cpu_profile_request wanted;
    wanted.length = std::chrono::seconds(protocol::count_argument(
        arguments, "seconds", static_cast<std::uint64_t>(wanted.length.count()), most_seconds));
    wanted.frequency = static_cast<int>(protocol::count_argument(
        arguments, "frequency", static_cast<std::uint64_t>(wanted.frequency), most_frequency));
    const auto limit = profile_limit(arguments);
    return limited(asked([&] { return facts.cpu_profile(wanted, stop); }), limit);
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
    table.add_long("memory_stats", [&facts](const json& arguments, const std::stop_token&) {
        return memory_stats(facts, arguments);
    });
    table.add_long("cpu_profile", [&facts](const json& arguments, const std::stop_token& stop) {
        return cpu_profile(facts, arguments, stop);
    });
    table.add_long("wait_profile", [&facts](const json& arguments, const std::stop_token&) {
        const auto limit = profile_limit(arguments);
        return limited(asked([&facts] { return facts.wait_profile(); }), limit);
    });
    table.add_long("memory_profile", [&facts](const json& arguments, const std::stop_token&) {
        const auto limit = profile_limit(arguments);
        return limited(asked([&facts] { return facts.memory_profile(); }), limit);
    });
    table.add("version", [program](const json&) { return answer{version(program), 0}; });
    return table;
}

}  // namespace coroscope::profiler_server
