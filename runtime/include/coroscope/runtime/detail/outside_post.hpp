// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/callback.hpp>

namespace coroscope {
class loop;
}

namespace coroscope::detail {

/// As `loop::call_soon`, for who decides in what order the loop runs (see `schedule_policy`): the
/// callback is not that of the step that runs now, and so may come before what that has posted. The
/// loop's thread only.
void post_from_outside(loop& to, callback f, await_site where = await_site::current());

}  // namespace coroscope::detail
