// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "races/corpus.hpp"

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace race_corpus {

using coroscope::coro;
using coroscope::sleep_for;
using coroscope::yield_now;
using coroscope::instrumentation::effect;
using coroscope::instrumentation::op_scope;
using namespace std::chrono_literals;

/// An assertion, where those are on.
void expect(bool holds, const char* what);

/// Gives others their turn, so often that by default they are done first.
[[nodiscard]] coro<> be_late(int steps);

/// Waits for all of them, whatever becomes of each; then throws what the first one threw.
[[nodiscard]] coro<> join_all(std::vector<coroscope::task<>> started);

/// Runs them at once, in an order that is nobody's business, and ends when all have ended.
template <class... Operations>
[[nodiscard]] coro<> together(Operations... operations) {
    auto& loop = coroscope::get_running_loop();
    std::vector<coroscope::task<>> started;
    (started.push_back(loop.create_task(std::move(operations))), ...);
    co_await join_all(std::move(started));
}

[[nodiscard]] constexpr program bug(std::string_view name, std::string_view kind, source from,
                                    coro<> (*run)()) {
    return {name, kind, from, verdict::bug, run};
}
/// One whose outcomes are all those of serial runs, and that neither throws nor hangs.
[[nodiscard]] constexpr program silent_bug(std::string_view name, std::string_view kind,
                                           source from, coro<> (*run)()) {
    return {name, kind, from, verdict::bug, run, true};
}
/// A correct program, and the same with one line wrong.
struct program_pair {
    std::string_view name;
    std::string_view kind;
    source from;
    coro<> (*correct)();
    coro<> (*mutant)();
    bool needs_assertions = false;  ///< the mutant does
};

template <std::size_t N>
[[nodiscard]] constexpr std::array<program, 2 * N> paired(const std::array<program_pair, N>& all) {
    std::array<program, 2 * N> result{};
    for (std::size_t i = 0; i < N; ++i) {
        const auto& p = all[i];
        result[2 * i] = {p.name, p.kind, p.from, verdict::correct, p.correct};
        result[2 * i + 1] = {p.name, p.kind, p.from, verdict::mutant, p.mutant, p.needs_assertions};
    }
    return result;
}

// One for each file.
[[nodiscard]] std::span<const program> lost_updates();
[[nodiscard]] std::span<const program> checks_then_acts();
[[nodiscard]] std::span<const program> torn_groups();
[[nodiscard]] std::span<const program> life_cycles();
[[nodiscard]] std::span<const program> orders();
[[nodiscard]] std::span<const program> deadlocks();
[[nodiscard]] std::span<const program> signals();
[[nodiscard]] std::span<const program> retries();
[[nodiscard]] std::span<const program> tempting_values();
[[nodiscard]] std::span<const program> tempting_waits();
[[nodiscard]] std::span<const program> tempting_objects();
[[nodiscard]] std::span<const program> tempting_pairs();

}  // namespace race_corpus
