// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace coroscope::testkit::detail {

/// Random numbers that are the same everywhere: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
class random_source {
public:
    explicit random_source(std::uint64_t seed = 0) noexcept : state_(seed) {}

    [[nodiscard]] std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15U;
        auto z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }
    /// One of 0 ... `count` - 1; `count` is positive and below 2^32.
    [[nodiscard]] std::uint64_t below(std::uint64_t count) noexcept {
        return ((next() >> 32U) * count) >> 32U;
    }

private:
    std::uint64_t state_;
};

/// A seed of its own for the `number`-th of many.
[[nodiscard]] inline std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t number) noexcept {
    return random_source(seed ^ (number * 0xd1342543de82ef95U)).next();
}

}  // namespace coroscope::testkit::detail
