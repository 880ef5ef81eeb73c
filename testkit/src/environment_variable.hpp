// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string_view>

namespace coroscope::testkit::detail {

/// Its value; empty if it is not set.
[[nodiscard]] inline std::string_view variable(const char* name) noexcept {
    const auto* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return text != nullptr ? std::string_view(text) : std::string_view();
}

}  // namespace coroscope::testkit::detail
