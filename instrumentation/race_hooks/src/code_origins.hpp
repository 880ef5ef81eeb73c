// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace coroscope::instrumentation::detail {

/// Whose code an instruction is, by the file that it was written in; of code that was expanded in
/// place, by where it was expanded to.
enum class code_origin : std::uint8_t {
    user,       ///< also: nothing is known
    library,    ///< of the compiler or the system: what it does, it does for its caller
    internals,  ///< of coroscope, Asio or a test framework: not what a user looks for races in
};

/// For an address inside of an instruction. **Thread safety**: any thread. **Cost**: a nanosecond,
/// but a hundred microseconds for each new address and the time to read the debug information of
/// each new source file.
[[nodiscard]] code_origin origin_of_code(std::uintptr_t address) noexcept;

[[nodiscard]] code_origin origin_of_file(std::string_view path) noexcept;

}  // namespace coroscope::instrumentation::detail
