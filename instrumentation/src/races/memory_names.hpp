// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/source_position.hpp>

#include <cstddef>
#include <string>

namespace coroscope::instrumentation::detail {

/// A block of memory that is in use.
struct memory_block {
    const void* begin = nullptr;
    std::size_t bytes = 0;
    const void* code = nullptr;  ///< an instruction of the call that allocated it; null: not known
    bool is_frame = false;       ///< of a coroutine, whose beginning is the compiler's
};

/// Finds the block around an address; `begin` is null if it is not known. Set once, before anything
/// runs, in programs that see their allocations (`coroscope_detect_races`); null elsewhere.
using block_finder = memory_block (*)(const void* address) noexcept;
extern block_finder find_memory_block;

/// What lies at an address, for people.
struct memory_name {
    std::string text;  ///< `'all' of two_deposits`, `byte 8 of a block of 48 allocated at ...`
    report::source_position made_at;  ///< of memory that was allocated
};

/// While the memory is in use: of a local of a coroutine its name, of a global variable its symbol,
/// of other memory where it was allocated. **Cost**: milliseconds.
[[nodiscard]] memory_name name_of_memory(const void* address);

}  // namespace coroscope::instrumentation::detail
