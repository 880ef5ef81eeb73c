// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace coroscope::instrumentation::detail {

/// How many return addresses are kept of each allocation from now on.
void set_wanted_calls(std::size_t calls) noexcept;

}  // namespace coroscope::instrumentation::detail
