// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address_space.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include <string>

namespace coroscope::profiler_server {

/// Finds the task tables in a program's memory and tells of their tasks; `where` names the program.
/// Any contents whatever end in a result or an `inspection_error`.
[[nodiscard]] inspection inspect_tables(const address_space& space, const std::string& where,
                                        const inspection_options& options);

}  // namespace coroscope::profiler_server
