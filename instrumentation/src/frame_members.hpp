// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <string>

namespace coroscope::instrumentation::detail {

/// The variable that the compiler keeps at that offset in a coroutine's frame, as g++ describes
/// frames; empty: none, or not known. `function`: one that gets the frame as its argument, as those
/// that resume and destroy it do.
[[nodiscard]] std::string frame_member_at(Dwarf_Die function, std::uint64_t offset);

}  // namespace coroscope::instrumentation::detail
