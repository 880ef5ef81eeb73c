// SPDX-License-Identifier: Apache-2.0
#include "command_options.hpp"

#include <coroscope/report/duration_text.hpp>

#include <charconv>
#include <utility>

namespace coroscope::profiler_server::cli {

using std::chrono::nanoseconds;

profiler_client connection_options::client() const {
    client_options options;
    options.timeout = std::chrono::ceil<std::chrono::milliseconds>(timeout);
    return {where.host, where.port, options};
}

CLI::Option* add_duration(CLI::App& command, const std::string& name,
                          const std::string& description, std::function<void(nanoseconds)> use) {
    const auto read = [name, use = std::move(use)](const std::string& text) {
        const auto duration = report::parse_duration(text);
        if (!duration) {
            throw CLI::ValidationError(
                name, "'" + text + "' is not a duration; write 5ms, 100us, 1.5s or 2m");
        }
        use(*duration);
    };
    return command.add_option_function<std::string>(name, read, description)->type_name("DURATION");
}

// CLI11 takes -1 for a large number.
CLI::Option* add_count(CLI::App& command, const std::string& name, const std::string& description,
                       std::uint64_t& count) {
    const auto read = [name, &count](const std::string& text) {
        const char* const end = text.data() + text.size();
        const auto [stopped, error] = std::from_chars(text.data(), end, count);
        if (error != std::errc{} || stopped != end) {
            throw CLI::ValidationError(name, "'" + text + "' is not a whole number from 0 up");
        }
    };
    return command.add_option_function<std::string>(name, read, description)->type_name("COUNT");
}

void read_address(const std::string& text, connection_options& options) {
    const auto where = parse_address(text);
    if (!where) {
        throw CLI::ValidationError("ADDRESS",
                                   "'" + text + "' is not an address; write HOST:PORT, or PORT");
    }
    options.where = *where;
}

void add_connection(CLI::App& command, connection_options& options, CLI::Option* address) {
    auto* host = command.add_option("--host", options.where.host, "instead of ADDRESS")
                     ->capture_default_str();
    auto* port = command.add_option("--port", options.where.port, "instead of ADDRESS")
                     ->check(CLI::Range(1, 65535))
                     ->capture_default_str();
    address->excludes(host)->excludes(port);
    add_duration(command, "--timeout", "how long to wait for an answer; 5s unless told",
                 [&options](nanoseconds timeout) { options.timeout = timeout; });
}

CLI::Option* add_address(CLI::App& command, connection_options& options) {
    return command.add_option_function<std::string>(
        "ADDRESS", [&options](const std::string& text) { read_address(text, options); },
        "HOST:PORT or PORT of the program's profiler server");
}

}  // namespace coroscope::profiler_server::cli
