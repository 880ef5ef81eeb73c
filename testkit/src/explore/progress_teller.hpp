// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "searcher.hpp"

#include <coroscope/testkit/explore.hpp>

#include <cstdint>

namespace coroscope::testkit::detail {

/// Tells of progress, not too often: called between two executions.
class progress_teller {
public:
    progress_teller(const explore_options& options, const search_state& state);

    void operator()();

private:
    [[nodiscard]] std::uint64_t interval() const;

    const explore_options& options_;
    const search_state& state_;
    std::uint64_t began_;
    std::uint64_t next_;
};

}  // namespace coroscope::testkit::detail
