// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

namespace coroscope {

class base_protocol;
class base_transport;

/// What the loop's exception handler is told. `message` is always there; the rest where it applies.
struct exception_context {
    std::string message;
    std::exception_ptr exception;
    std::uint64_t task_id = 0;  ///< 0: no task is concerned
    std::string task_name;      ///< as listings show it
    std::uint64_t future_id = 0;
    std::uint64_t handle_id = 0;
    std::shared_ptr<base_protocol> protocol;  ///< whose method failed
    std::shared_ptr<base_transport> transport;
    int socket = -1;          ///< descriptor of a listening or watched socket; -1: none
    await_site created_at{};  ///< where the task, future or handle was created
};

/// `what()` of an exception, or its type's name if it is none of `std::exception`'s children.
[[nodiscard]] std::string describe(const std::exception_ptr& exception);

/// What the default handler writes: the message, then a line for each fact that is there.
[[nodiscard]] std::string to_string(const exception_context& context);

/// Told of an exception that was never retrieved and whose loop is gone, so that no loop's handler
/// can be told. Called on the thread that dropped the last handle.
using orphan_handler = void (*)(const exception_context&) noexcept;

/// Replaces the process's handler of orphaned exceptions and returns the one before; null writes
/// them to standard error. **Thread safety**: any thread.
orphan_handler set_orphan_handler(orphan_handler handler) noexcept;

/// For the library's own components.
void report_orphan(const exception_context& context) noexcept;

}  // namespace coroscope
