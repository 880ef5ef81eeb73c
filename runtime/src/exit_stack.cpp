// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exit_stack.hpp>

namespace coroscope {

coro<> exit_stack::unwind(std::exception_ptr error, await_site where) {
    while (!entries_.empty()) {
        const auto last = std::move(entries_.back());
        entries_.pop_back();
        try {
            co_await detail::finish_release(last->exit(error), error, where);
        } catch (...) { error = std::current_exception(); }
    }
    if (error != nullptr) { std::rethrow_exception(error); }
}

}  // namespace coroscope
