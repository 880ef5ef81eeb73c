// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fork_safe_mutex.hpp"
#include "unwinder.hpp"

#include <coroscope/report/stack.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Finds functions, inlined calls, files and lines for addresses of this process, in the debug
/// information of its executable and libraries.
///
/// **Thread safety**: all members, from any thread. **Cost**: milliseconds for the first address in
/// a source file, whose debug information is read then; next to nothing for an address that was
/// asked before.
class symbolizer {
public:
    symbolizer(const symbolizer&) = delete;
    symbolizer& operator=(const symbolizer&) = delete;

    /// For the whole process, so that debug information is read once.
    [[nodiscard]] static symbolizer& shared() noexcept;

    [[nodiscard]] report::stack name(const unwound_stack& stack);
    /// Of a variable with static storage: `'counter'`, `'table' + 16`. Empty: there is none.
    [[nodiscard]] std::string name_data(std::uintptr_t address);
    /// The variable at that offset in the frame of a coroutine, of which `code` is a function that
    /// gets the frame. Empty: not known.
    [[nodiscard]] std::string name_frame_member(std::uintptr_t code, std::uint64_t offset);

private:
    class debug_information;
    constexpr symbolizer() noexcept = default;
    /// Under the mutex.
    [[nodiscard]] debug_information& information();

    fork_safe_mutex mutex_;
    debug_information* information_ = nullptr;  ///< never destroyed: who asks may be static
};

/// The readable name behind a linker's, without return type and parameters.
[[nodiscard]] std::string readable_function(const char* symbol);

}  // namespace coroscope::instrumentation::detail
