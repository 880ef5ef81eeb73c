// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace serving {

/// An option whose value is written as 5ms, 1.5s or 2m; `value` is its default as well.
void add_duration(CLI::App& app, const std::string& name, const std::string& description,
                  std::chrono::nanoseconds& value);

/// Parses the command line. Nothing if the program is to go on; otherwise the exit code with which
/// to end at once: 0 after `--help`, 2 for wrong usage, and what there is to say has been printed.
[[nodiscard]] std::optional<int> parse(CLI::App& app, int argc, char** argv);

/// Runs the rest of `main`: 0, or 1 after printing what it threw, with the program's name.
[[nodiscard]] int report_errors(const std::string& program, const std::function<void()>& rest);

}  // namespace serving
