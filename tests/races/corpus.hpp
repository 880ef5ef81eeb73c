// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// Small programs over plain variables, each right or wrong in a way that is known. What finds
/// races is measured with them.
namespace race_corpus {

enum class verdict : std::uint8_t {
    bug,      ///< goes wrong in some order
    correct,  ///< looks as if it could go wrong, and does not in any order
    mutant,   ///< the correct program of the same name with one line changed: goes wrong
};

/// Where a program comes from.
enum class source : std::uint8_t {
    recipe,  ///< of the asyncio recipes
    study,   ///< told after a published study of bugs in Node.js, Go or Python programs
    own,     ///< a classic, or made up
};

struct program {
    std::string_view name;  ///< its own, but for a mutant
    std::string_view kind;
    source from{};
    verdict expected{};
    /// Runs it once. Everything that it shares lives in it, so that it does the same each time.
    coroscope::coro<> (*run)() = nullptr;
    /// It goes wrong without a sign but its assertions: every outcome is some serial run's.
    bool needs_assertions = false;
};

[[nodiscard]] const char* to_string(verdict v) noexcept;
[[nodiscard]] const char* to_string(source s) noexcept;

/// All of them, by kind.
[[nodiscard]] const std::vector<program>& all();

/// Whether programs check themselves with `expect`. They state their results in any case.
/// **Thread safety**: set while none runs.
void set_assertions(bool are_on) noexcept;

}  // namespace race_corpus
