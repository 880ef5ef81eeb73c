// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace coroscope::benchmarks {

/// The file of this program.
[[nodiscard]] std::string own_file();

/// Runs a command and gives the number that it prints.
[[nodiscard]] double number_printed_by(const std::string& command);

}  // namespace coroscope::benchmarks
