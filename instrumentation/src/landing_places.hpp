// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_state.hpp"
#include "unwinder.hpp"

#include <vector>

namespace coroscope::instrumentation::detail {

/// The places in the C++ runtime's unwinder where a thrown exception arrives at its handler: it has
/// written the handler's registers over those of the frame that called it, and not jumped there
/// yet. A stack that is taken there looks as if the thrower had been called by the handler's own
/// caller: the frames between are left out.
///
/// Found in the code as g++ makes it; elsewhere none are known. **Thread safety**: all members,
/// from any thread. The constructor asks the dynamic linker.
class landing_places {
public:
    landing_places();

    /// Cuts the frames off that are not to be believed. True if there were any.
    bool cut(unwound_stack& stack) const;
    [[nodiscard]] bool empty() const noexcept { return places_.empty(); }

private:
    std::vector<address_range> places_;
};

}  // namespace coroscope::instrumentation::detail
