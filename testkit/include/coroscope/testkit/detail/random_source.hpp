// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

namespace coroscope::testkit::detail {

/// Random numbers that are the same everywhere: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
/// What the standard's distributions make of them is the same with one standard library only.
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

    // For the standard's distributions and `std::shuffle`.
    using result_type = std::uint64_t;
    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }
    result_type operator()() noexcept { return next(); }

private:
    std::uint64_t state_;
};

}  // namespace coroscope::testkit::detail
