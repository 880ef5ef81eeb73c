// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <cstdint>
#include <exception>
#include <string>

namespace coroscope {

/// What the loop's exception handler is told. `message` is always there; the rest where it applies.
struct exception_context {
    std::string message;
    std::exception_ptr exception;
    std::uint64_t task_id = 0;  ///< 0: no task is concerned
    std::string task_name;      ///< as listings show it
    std::uint64_t future_id = 0;
    std::uint64_t handle_id = 0;
    await_site created_at{};  ///< where the task, future or handle was created
};

/// `what()` of an exception, or its type's name if it is none of `std::exception`'s children.
[[nodiscard]] std::string describe(const std::exception_ptr& exception);

}  // namespace coroscope
