// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "commands.hpp"

#include <string>
#include <vector>

namespace coroscope::profiler_server::cli {

/// The whole program, without the process: reads the arguments (without the program's name), runs
/// the command, says on `err` what went wrong and what to do, and returns the exit code.
[[nodiscard]] int run_command_line(std::vector<std::string> arguments, const surroundings& io);

}  // namespace coroscope::profiler_server::cli
