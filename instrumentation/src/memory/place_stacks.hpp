// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <coroscope/report/stack.hpp>

#include <map>
#include <string>
#include <vector>

namespace coroscope::instrumentation::detail {

using named_addresses = std::map<void*, std::vector<report::stack_frame>>;

/// The calls down to the coroutine, then what awaits it. Where the line in the coroutine is not
/// known, that of the last co_await that it came to is what there is.
[[nodiscard]] report::stack stack_of(const memory_place& place, named_addresses& known);

/// Whether a frame has a file, and one that the filter wants.
[[nodiscard]] bool counts(const report::stack_frame& frame, const memory_filter& filter);

/// Whether the calls say that coroscope's own code asked for the memory, by way of the standard
/// library or not.
[[nodiscard]] bool is_own(const memory_place& place, named_addresses& known);

}  // namespace coroscope::instrumentation::detail
