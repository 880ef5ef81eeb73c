// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "search_strategy.hpp"

#include <coroscope/testkit/explore.hpp>

#include <cstdint>
#include <memory>

namespace coroscope::testkit::detail {

/// Which part of the work one searcher has: of `count` the `index`-th, from 0.
struct search_share {
    std::uint64_t index = 0;
    std::uint64_t count = 1;
};

[[nodiscard]] std::unique_ptr<search_strategy> make_strategy(const explore_options& options,
                                                             const search_share& share);

}  // namespace coroscope::testkit::detail
