// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/source_position.hpp>

#include <cstddef>
#include <cstdint>
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

/// Whether what lies there was freed, as far as is known. As above.
using freed_test = bool (*)(const void* address) noexcept;
extern freed_test was_memory_freed;

/// Gives the allocator what was kept of what the program has freed. As above.
using memory_function = void (*)() noexcept;
extern memory_function give_back_freed_memory;

/// What an address belongs to, as it was when somebody looked.
struct memory_place {
    enum class home : std::uint8_t {
        unknown,  ///< a variable with static storage, or nobody saw it allocated
        stack,    ///< of the thread that looked
        block,
        frame,  ///< of a coroutine
    };
    const void* address = nullptr;
    home where = home::unknown;
    std::size_t offset = 0;      ///< in its block or frame
    std::size_t bytes = 0;       ///< of that
    const void* code = nullptr;  ///< what allocated the block, or destroys the frame
};

/// While the memory is in use. **Cost**: below a microsecond, but some ten if it is not known.
[[nodiscard]] memory_place place_in_memory(const void* address) noexcept;

/// What lies there, for people.
struct memory_name {
    /// `'all' of two_deposits`, `byte 8 of a block of 48 allocated at ...`; empty: it has none.
    std::string text;
    report::source_position made_at;  ///< of memory that was allocated
};

/// Of a local of a coroutine its name, of a global variable its symbol, of other memory where it
/// was allocated. **Cost**: milliseconds.
[[nodiscard]] memory_name name_of_memory(const memory_place& place);

}  // namespace coroscope::instrumentation::detail
