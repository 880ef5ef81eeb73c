// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <iosfwd>
#include <span>
#include <string>
#include <typeinfo>

namespace coroscope::instrumentation {

/// Return addresses of the calling thread, innermost first. Allocates nothing after the first call
/// of the process.
class native_stack {
public:
    static constexpr std::size_t most = 64;

    /// From the call that returns to `caller`, as `__builtin_return_address(0)` says of a function:
    /// which of our own calls have been expanded in place, nobody knows.
    static native_stack capture(const void* caller) noexcept;
    /// Only what the innermost call of `function` has called; nothing if there is no such call.
    [[nodiscard]] native_stack called_by(const void* function) const noexcept;
    [[nodiscard]] std::span<void* const> addresses() const noexcept {
        return std::span(addresses_).subspan(first_, count_ - first_);
    }

private:
    std::array<void*, most> addresses_{};
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

/// One line for each call: function, file and line. Where there is no debug information, or
/// coroscope was built without `COROSCOPE_BUILD_STACKS`: function, object and offset in it for
/// `addr2line -e`.
void print(std::ostream& out, const native_stack& stack);

/// A type's name as it is written in C++.
[[nodiscard]] std::string type_name(const std::type_info& type);

}  // namespace coroscope::instrumentation
