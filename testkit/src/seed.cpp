// SPDX-License-Identifier: Apache-2.0
#include "seed.hpp"

#include "environment_variable.hpp"

#include <charconv>
#include <random>
#include <stdexcept>
#include <string>

namespace coroscope::testkit::detail {

std::uint64_t choose_seed(const std::optional<std::uint64_t>& option) {
    if (option.has_value()) { return *option; }
    const auto text = variable("COROSCOPE_TEST_SEED");
    if (text.empty()) {
        std::random_device source;
        return (std::uint64_t{source()} << 32U) | source();
    }
    std::uint64_t seed = 0;
    const auto* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, seed);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
        throw std::invalid_argument("COROSCOPE_TEST_SEED is '" + std::string(text)
                                    + "'; it must be a whole number below 2^64");
    }
    return seed;
}

}  // namespace coroscope::testkit::detail
