// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace coroscope::testkit::detail {

/// The option, else the environment variable `COROSCOPE_TEST_SEED` (decimal; throws
/// `std::invalid_argument` for anything else), else a new one.
[[nodiscard]] std::uint64_t choose_seed(const std::optional<std::uint64_t>& option);

}  // namespace coroscope::testkit::detail
