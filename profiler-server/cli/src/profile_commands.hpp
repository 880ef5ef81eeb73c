// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command_options.hpp"
#include "commands.hpp"

#include <optional>
#include <string>
#include <vector>

namespace coroscope::profiler_server::cli {

/// The commands about profiles: `memory`, `cpu-profile`, `wait-profile`, `memory-profile` and
/// `convert`. **Lifetime**: `app` and `connection` refer to it and must outlive it.
class profile_commands {
public:
    profile_commands(CLI::App& app, connection_options& connection);
    profile_commands(const profile_commands&) = delete;
    profile_commands& operator=(const profile_commands&) = delete;
    ~profile_commands() = default;

    /// Runs the one that was given and returns its exit code; nothing where none of them was.
    [[nodiscard]] std::optional<int> run(const surroundings& io) const;

private:
    using runner = int (*)(const profiler_client&, const profile_options&, const surroundings&);
    struct profile_command {
        CLI::App* command;
        runner run;
    };

    void add_memory(CLI::App& app);
    void add_convert(CLI::App& app);
    CLI::App* add_profile(CLI::App& app, const std::string& name, const std::string& description,
                          runner act);

    connection_options& connection_;
    memory_options memory_;
    std::optional<std::vector<std::string>> exclude_;
    profile_options profile_;
    convert_options convert_;
    CLI::App* memory_command_ = nullptr;
    CLI::App* convert_command_ = nullptr;
    std::vector<profile_command> profile_commands_;
};

}  // namespace coroscope::profiler_server::cli
