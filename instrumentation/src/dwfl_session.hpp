// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elfutils/libdwfl.h>

#include <memory>

namespace coroscope::instrumentation::detail {

struct dwfl_deleter {
    void operator()(Dwfl* session) const noexcept { dwfl_end(session); }
};
using dwfl_session = std::unique_ptr<Dwfl, dwfl_deleter>;

/// The modules of this process that are loaded now. Null if they cannot be listed.
[[nodiscard]] dwfl_session open_dwfl_session();

}  // namespace coroscope::instrumentation::detail
