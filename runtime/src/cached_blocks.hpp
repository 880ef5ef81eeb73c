// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace coroscope::detail {

/// Empties this thread's cache of free frames and task records. While an `access_listener` is told
/// of single accesses it stays empty, and so each block that is allocated or freed is told of:
/// nothing has to be asked where frames are allocated in a program that nobody listens to.
void give_back_cached_blocks() noexcept;

}  // namespace coroscope::detail
