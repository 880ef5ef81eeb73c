// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/memory_names.hpp>

#include <cstddef>

namespace coroscope::instrumentation::detail {

/// Which code allocated the blocks that are in use, as far as there is room: a block may take the
/// place of another one, of which nothing is known then. **Thread safety**: all of it.
class known_blocks {
public:
    static void add(const memory_block& made) noexcept;
    /// Whether or not it was added. **Cost**: a load and a comparison if it was not.
    static void remove(const void* begin) noexcept;
    /// The block that begins there.
    [[nodiscard]] static memory_block find_begin(const void* begin) noexcept;
    /// The block around an address, no further than 64 KiB from its beginning.
    [[nodiscard]] static memory_block find(const void* address) noexcept;
};

}  // namespace coroscope::instrumentation::detail
