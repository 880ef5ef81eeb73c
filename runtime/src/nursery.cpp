// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/nursery.hpp>

#include "sited.hpp"

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/wait.hpp>

#include <algorithm>
#include <string>

namespace coroscope::detail {
std::size_t nursery_base::pending() const noexcept {
    return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(),
                                                  [](const entry& e) { return !e.task.done(); }));
}

void nursery_base::expect_open(await_site where) const {
    if (is_settled_) {
        throw invalid_state_error("a coroutine was scheduled at " + to_string(where)
                                  + " in a nursery whose run has ended; make a new one");
    }
}

void nursery_base::add(any_task made, bool is_shielded) {
    entries_.push_back({std::move(made), is_shielded});
}

std::vector<any_task> nursery_base::unfinished(bool with_shielded) const {
    std::vector<any_task> tasks;
    for (const auto& each : entries_) {
        if (!each.task.done() && (with_shielded || !each.is_shielded)) {
            tasks.push_back(each.task);
        }
    }
    return tasks;
}

coro<> nursery_base::settle(std::exception_ptr body_error, await_site where) {
    bool is_cancelled = false;
    auto cancel = [this, &is_cancelled] {
        is_cancelled = true;
        for (auto& t : unfinished(false)) {
            t.cancel();
        }
    };
    if (is_cancellation(body_error)) { cancel(); }
    for (auto left = unfinished(!is_cancelled); !left.empty(); left = unfinished(!is_cancelled)) {
        try {
            co_await at(where, coroscope::wait(left));
        } catch (...) {
            body_error = std::current_exception();
            cancel();
        }
    }
    is_settled_ = true;
    if (body_error != nullptr) { std::rethrow_exception(body_error); }
}

}  // namespace coroscope::detail
