// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include <array>
#include <string>
#include <vector>

#include <sys/types.h>

namespace coroscope::detail {

/// A program that has been started, and our ends of the pipes to it (-1: none).
struct started_program {
    pid_t pid;
    std::array<file_descriptor, 3> pipes;
};

/// Starts it; throws what `create_subprocess_exec` throws. Knows no loop.
[[nodiscard]] started_program start_program(const std::vector<std::string>& arguments,
                                            const subprocess_options& options);

}  // namespace coroscope::detail
