// SPDX-License-Identifier: Apache-2.0
#include "uniform_walk.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

std::size_t uniform_walk::decide(std::span<const candidate> ready) {
    return choose_weighted(ready, random(), [this](const candidate& c) {
        return std::max<std::uint64_t>(counts_.left(c.agent), 1);
    });
}

void uniform_walk::end(const execution_summary& summary) {
    if (!summary.was_cut && !summary.failed) { counts_.learn(); }
}

}  // namespace coroscope::testkit::detail
