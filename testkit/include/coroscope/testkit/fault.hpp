// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace coroscope::testkit {

/// A place where something may go wrong: whether it does is one of the decisions that `explore`
/// tries, and part of the schedule that replays a failure. False outside of an exploration.
///
///     if (fault_point("disk full")) { throw std::runtime_error("no space left"); }
///
/// `name` is for people, and tells one fault point from another where two executions are compared.
/// **Thread safety**: the test's thread; elsewhere it is false.
[[nodiscard]] bool fault_point(std::string_view name);

}  // namespace coroscope::testkit
