// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sample_ring.hpp"

#include "unwinder.hpp"

#include <memory>

namespace coroscope::instrumentation::detail {

class landing_places;

/// Follows the calls of samples. One thread at a time.
class sample_unwinder {
public:
    sample_unwinder();
    sample_unwinder(const sample_unwinder&) = delete;
    sample_unwinder& operator=(const sample_unwinder&) = delete;
    ~sample_unwinder();

    /// The native stack. Where a coroutine runs, it ends with that coroutine: what lies behind it
    /// is the loop, and who waits for it stands in the sample's sites. `has_body` says whether the
    /// coroutine was found.
    [[nodiscard]] unwound_stack native_stack(const cpu_sample& sample, bool& has_body);

private:
    std::unique_ptr<landing_places> landings_;
};

}  // namespace coroscope::instrumentation::detail
