// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <unistd.h>

#include <iostream>
#include <thread>

int main(int argc, char* argv[]) {
    const auto pause = [](std::chrono::nanoseconds duration) {
        std::this_thread::sleep_for(duration);
        return true;
    };
    return coroscope::profiler_server::cli::run_command_line(
        {argv + 1, argv + argc}, {std::cout, std::cerr, pause, ::isatty(STDERR_FILENO) == 1});
}
