// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address.hpp"

#include <coroscope/profiler_server/client.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace coroscope::profiler_server::cli {

/// What the commands that ask a program have in common.
struct connection_options {
    address where;
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);

    [[nodiscard]] profiler_client client() const;
};

/// Options whose values are read as docs/coroscope.1.md says; wrong ones throw what CLI11 reports.
CLI::Option* add_duration(CLI::App& command, const std::string& name,
                          const std::string& description,
                          std::function<void(std::chrono::nanoseconds)> use);
CLI::Option* add_count(CLI::App& command, const std::string& name, const std::string& description,
                       std::uint64_t& count);

/// ADDRESS, and --host, --port and --timeout beside `address`.
CLI::Option* add_address(CLI::App& command, connection_options& options);
void add_connection(CLI::App& command, connection_options& options, CLI::Option* address);
void read_address(const std::string& text, connection_options& options);

}  // namespace coroscope::profiler_server::cli
