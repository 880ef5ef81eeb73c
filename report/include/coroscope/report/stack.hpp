// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::report {

/// One frame of a stack: of a native one, or a coroutine's `co_await` in an async one. What could
/// not be found out is empty or 0.
struct stack_frame {
    std::string function;       ///< demangled
    std::string file;           ///< source file as the compiler named it
    std::uint32_t line = 0;     ///< 1-based
    std::string module;         ///< executable or shared object
    std::uint64_t address = 0;  ///< of the instruction; in JSON as `0x…`
    bool inlined = false;       ///< expanded into the frame after it

    friend bool operator==(const stack_frame&, const stack_frame&) = default;
};

/// A native or async stack, innermost frame first.
struct stack {
    std::vector<stack_frame> frames;
    bool truncated = false;  ///< frames beyond the last one exist and were not captured

    friend bool operator==(const stack&, const stack&) = default;
};

[[nodiscard]] nlohmann::json to_json(const stack_frame& frame);
[[nodiscard]] nlohmann::json to_json(const stack& stack);
[[nodiscard]] stack_frame read_stack_frame(const json_view& json);
[[nodiscard]] stack read_stack(const json_view& json);

}  // namespace coroscope::report
