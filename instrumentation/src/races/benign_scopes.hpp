// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace coroscope::instrumentation::detail {

/// The scopes in which a unit has said that its accesses are benign, one inside of another.
class benign_scopes {
public:
    /// One begins, for that reason; null: the innermost ends.
    void note(const char* reason) noexcept {
        if (reason != nullptr) {
            ++depth_;
            reason_ = reason;
            return;
        }
        if (depth_ > 0) { --depth_; }
        if (depth_ == 0) { reason_ = nullptr; }
    }
    /// Null: it is in none.
    [[nodiscard]] const char* reason() const noexcept { return reason_; }

private:
    std::uint32_t depth_ = 0;
    const char* reason_ = nullptr;
};

}  // namespace coroscope::instrumentation::detail
