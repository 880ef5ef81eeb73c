// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <source_location>
#include <string>

namespace coroscope {

/// Where a coroutine stands: the line of a `co_await`, or of the call that created a task. One
/// pointer to a constant of the program, valid for ever, known in release builds without debug
/// information. A default-constructed site (line 0) means "not known".
using await_site = std::source_location;

/// `file:line`, the file as the compiler was given it; `?` for an unknown site.
[[nodiscard]] std::string to_string(const await_site& site);

/// The function a site lies in, without return type and parameters: `docserver::serve_client`.
/// Compilers spell the body of a coroutine in different ways; this evens them out.
[[nodiscard]] std::string function_name(const await_site& site);

/// The same for a raw spelling as `std::source_location::function_name()` gives it.
[[nodiscard]] std::string plain_function_name(const char* spelling);

}  // namespace coroscope
