// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/exception_context.hpp>

#include <vector>

namespace coroscope::testkit::detail {

/// Exceptions that surfaced since the last call, of tasks and futures whose loop is gone. The first
/// call begins to collect them. Any thread.
[[nodiscard]] std::vector<exception_context> take_orphans();
/// There are some to be taken.
[[nodiscard]] bool has_orphans();

}  // namespace coroscope::testkit::detail
