// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/race_hooks.hpp>

#include "access_shadow.hpp"

namespace coroscope::instrumentation {

std::size_t race_shadow_bytes() noexcept {
    return detail::access_shadow::bytes_in_use();
}

}  // namespace coroscope::instrumentation
