// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "native_stack.hpp"

#include <coroscope/runtime/await_site.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <optional>

namespace coroscope::instrumentation {

/// Where an exception was thrown.
struct throw_record {
    const void* object = nullptr;  ///< the exception
    native_stack native;
    /// The `co_await`s of the running task's coroutines, from the parent of the one that threw.
    std::array<await_site, 32> async{};
    std::size_t async_count = 0;
    bool has_stopped = false;  ///< a debugger has been given the chance to look
};

/// Lets every `throw` of the objects that are loaded be noted from now on. False if that does not
/// work here: in a program without dynamic linking.
bool watch_throws() noexcept;

/// What was noted of this exception on this thread: only of the last 32 throws.
[[nodiscard]] std::optional<throw_record> thrown_at(const std::exception_ptr& e) noexcept;

/// Whether somebody traces this process (`TracerPid`).
[[nodiscard]] bool debugger_is_attached() noexcept;
/// Stops in the debugger.
void stop_in_debugger() noexcept;

}  // namespace coroscope::instrumentation
