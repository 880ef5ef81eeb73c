// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/observer.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace coroscope::detail {

/// The observers of one loop, filed by hook, and the batch of step records on its way to them.
class observer_registry {
public:
    explicit observer_registry(loop_core& core) : core_(core) {}

    void attach(observer& o, hook_set hooks);
    void remove(observer& o) noexcept;

    /// Calls `f(observer)` for all that want `which`; they may attach and remove meanwhile.
    template <class F>
    void tell(hook which, F&& f) noexcept {
        const auto listeners =
            static_cast<std::size_t>(__builtin_ctz(static_cast<hook_set>(which)));
        auto& list = lists_[listeners];
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (list[i] != nullptr) { f(*list[i]); }
        }
    }

    /// A place for the next step record; the batch is delivered when it is full.
    [[nodiscard]] step_record& next_record() noexcept {
        if (used_ == batch_.size()) [[unlikely]] { flush(); }
        return batch_[used_++];
    }
    void flush() noexcept;

private:
    static constexpr std::size_t hook_count = 10;
    static constexpr std::size_t batch_size = 256;

    loop_core& core_;
    std::array<std::vector<observer*>, hook_count> lists_;
    std::array<step_record, batch_size> batch_{};
    std::size_t used_ = 0;
};

}  // namespace coroscope::detail
