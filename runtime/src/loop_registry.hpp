// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>

namespace coroscope::detail {

/// Enters a loop into what `read_loops` lists. Throws `std::bad_alloc`.
void register_loop(const loop& l);
/// Keeps its last figures and forgets the loop. To be called while all of it still works.
void unregister_loop(const loop& l) noexcept;

}  // namespace coroscope::detail
