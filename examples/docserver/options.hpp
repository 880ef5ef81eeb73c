// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace docserver {

enum class log_level { error, warning, info, debug };

/// What the command line says; `docserver --help` explains each.
struct options {
    std::filesystem::path root = "/usr/share/doc";
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080;              ///< 0: any free one
    std::optional<std::uint16_t> endpoint;  ///< of the profiler server; nothing: none
    bool offload = false;
    std::size_t offload_threads = 1;
    int gzip_level = 6;
    std::uint64_t min_size = 1024;  ///< bytes; smaller files go as they are
    std::uint64_t max_size = std::uint64_t{16} * 1024 * 1024;  ///< bytes; larger ones too
    std::size_t max_connections = 1000;
    std::chrono::nanoseconds keep_alive_timeout = std::chrono::seconds(15);
    std::chrono::nanoseconds request_timeout = std::chrono::seconds(10);
    std::chrono::nanoseconds write_timeout = std::chrono::seconds(30);
    std::chrono::nanoseconds grace = std::chrono::seconds(10);
    std::chrono::nanoseconds slow = std::chrono::milliseconds(5);
    std::filesystem::path report;  ///< empty: none is written
    log_level level = log_level::info;
};

/// Parses the arguments that follow the program's name. Returns the options, or the exit code with
/// which to end at once: help, the version or what is wrong has been printed then.
[[nodiscard]] std::variant<options, int> parse_options(std::vector<std::string> arguments,
                                                       std::ostream& out, std::ostream& err);

}  // namespace docserver
