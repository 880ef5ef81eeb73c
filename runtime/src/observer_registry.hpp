// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/step_batch.hpp>
#include <coroscope/runtime/observer.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace coroscope::detail {

/// The observers of one loop, filed by hook, and the batch of step records on its way to them.
class observer_registry {
public:
    explicit observer_registry(loop_core& core);

    void attach(observer& o, hook_set hooks);
    void remove(observer& o) noexcept;

    /// Calls `f(observer)` for all that want `which`; they may attach and remove meanwhile.
    template <class F>
    void tell(hook which, F&& f) noexcept {
        const auto listeners =
            static_cast<std::size_t>(__builtin_ctz(static_cast<hook_set>(which)));
        auto& list = lists_[listeners];
        ++telling_;
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (list[i] != nullptr) { f(*list[i]); }
        }
        --telling_;
    }

    /// Files a step; the batch is delivered when it is full.
    void add(const step_record& step) noexcept {
        if (!batch_->add(step)) [[unlikely]] { flush(); }
    }
    /// Delivers the batch; false if there was none.
    bool flush() noexcept;

private:
    static constexpr std::size_t hook_count = 13;

    void watch_frames() const noexcept;

    loop_core& core_;
    int telling_ = 0;  ///< how many `tell`s run through the lists
    std::array<std::vector<observer*>, hook_count> lists_;
    step_batch* batch_;  ///< the core's
};

}  // namespace coroscope::detail
