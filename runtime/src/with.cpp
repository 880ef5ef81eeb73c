// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/with.hpp>

#include "sited.hpp"

#include <coroscope/runtime/loop.hpp>

namespace coroscope::detail {

coro<void> finish_release(coro<void> work, std::exception_ptr before, await_site where) {
    auto releasing = get_running_loop().create_task(std::move(work), {}, where);
    std::exception_ptr cancellation;
    while (!releasing.done()) {
        try {
            co_await at(where, quiet_join(releasing.core()));
        } catch (...) { cancellation = std::current_exception(); }
    }
    const bool failed = !releasing.cancelled() && releasing.exception() != nullptr;
    if (failed && cancellation != nullptr) { current_task().core().must_cancel = true; }
    releasing.result();  // throws what the release threw
    if (cancellation != nullptr) { std::rethrow_exception(cancellation); }
    if (before != nullptr) { std::rethrow_exception(before); }
}

}  // namespace coroscope::detail
