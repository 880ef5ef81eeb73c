// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

// What a fork does to loops. The new process has a copy of each, whose kernel objects (the epoll
// set, the timer, the wake-up descriptor) are shared with the original: a copy must not touch them.
// So a copy does not run, and leaves the shared objects before it closes anything.

namespace coroscope::detail {

struct loop_core;

/// Registers the handlers of `fork`, once. Called by each new loop.
void expect_forks();

/// In the process that was forked, before a copy of a loop closes anything: gives it kernel objects
/// of its own.
void leave_parent(loop_core& core) noexcept;

// Locks that must not be held by a thread which the new process does not have.
[[nodiscard]] std::mutex& lock_of_loop_registry() noexcept;
[[nodiscard]] std::mutex& lock_of_block_depot() noexcept;
[[nodiscard]] std::mutex& lock_of_origins() noexcept;
[[nodiscard]] std::mutex& lock_of_foreign_ends() noexcept;
[[nodiscard]] std::mutex& lock_of_signal_actions() noexcept;

// In the new process:
/// Marks all loops as copies and forgets them.
void disown_loops() noexcept;
/// SIGINT does there what it does by default.
void disown_interrupts() noexcept;

}  // namespace coroscope::detail
