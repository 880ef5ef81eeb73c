// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/contracts.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>

namespace coroscope::instrumentation {
namespace detail {

std::uint64_t running_task_id() noexcept {
    const auto* core = coroscope::detail::running_loop;
    return core != nullptr && core->current != nullptr ? core->current->id() : 0;
}

confinement::~confinement() {
    if (core_ != nullptr) { core_->release(); }
}

void confinement::check(const char* what) {
    if (core_ != nullptr) {
        coroscope::detail::check_thread(*core_, what);
        return;
    }
    core_ = coroscope::detail::running_loop;
    if (core_ != nullptr) { core_->add_reference(); }
}

}  // namespace detail

void container_guard::modify(await_site where) noexcept {
    const auto task = detail::running_task_id();
    const bool is_read = std::ranges::any_of(readers_, [&](auto reader) { return reader != task; });
    if (!is_read) { return; }
    cell_.breach_of("iterator-invalidated",
                    "it was changed while another task goes through it, whose iterators are no "
                    "longer valid",
                    "it is gone through by", where);
}

}  // namespace coroscope::instrumentation
