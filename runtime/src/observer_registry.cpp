// SPDX-License-Identifier: Apache-2.0
#include "observer_registry.hpp"

#include <coroscope/runtime/coro.hpp>

#include <algorithm>
#include <memory>
#include <span>

namespace coroscope::detail {

observer_registry::observer_registry(loop_core& core) : core_(core) {
    auto batch = std::make_shared<step_batch>();
    batch_ = batch.get();
    core_.unsent_steps = std::move(batch);
}

void observer_registry::attach(observer& o, hook_set hooks) {
    flush();  // what happened before is not this observer's
    for (std::size_t i = 0; i < hook_count; ++i) {
        if ((hooks & (hook_set{1} << i)) != 0) {
            auto& list = lists_[i];
            if (telling_ == 0) { std::erase(list, nullptr); }
            list.push_back(&o);
            core_.hooks |= hook_set{1} << i;
        }
    }
    watch_frames();
}

void observer_registry::remove(observer& o) noexcept {
    flush();
    for (std::size_t i = 0; i < hook_count; ++i) {
        auto& list = lists_[i];
        // Emptied in place, since a hook may be running through the list.
        std::replace(list.begin(), list.end(), &o, static_cast<observer*>(nullptr));
        const bool wanted =
            std::any_of(list.begin(), list.end(), [](const observer* p) { return p != nullptr; });
        if (!wanted) { core_.hooks &= ~(hook_set{1} << i); }
    }
    watch_frames();
}

void observer_registry::watch_frames() const noexcept {
    // Another loop may be the one that runs on this thread.
    if (running_loop == &core_) { frames_are_watched = core_.wants(hook::frame) || access_listener != nullptr; }
}

bool observer_registry::flush() noexcept {
    return batch_->take([this](std::span<const step_record> records) {
        tell(hook::steps, [&](observer& o) { o.on_steps(records); });
    });
}

}  // namespace coroscope::detail
