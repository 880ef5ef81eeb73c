// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>

namespace coroscope::instrumentation::detail {

/// A block begins or ends its life: what was known of its bytes is forgotten, and who listens is
/// told so if it was told of them before.
void end_life(const void* block, std::size_t bytes) noexcept;

/// What the runtime calls for frames and task records, which it allocates itself.
extern const coroscope::detail::memory_watch watch_of_memory;

}  // namespace coroscope::instrumentation::detail
