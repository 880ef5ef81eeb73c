// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/detail/random_source.hpp>

#include <cstdint>

namespace coroscope::testkit::detail {

/// A seed of its own for the `number`-th of many.
[[nodiscard]] inline std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t number) noexcept {
    return random_source(seed ^ (number * 0xd1342543de82ef95U)).next();
}

}  // namespace coroscope::testkit::detail
