// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/fake_clock.hpp>

#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/observer.hpp>

#include <atomic>
#include <mutex>
#include <utility>

namespace coroscope::testkit {

/// Tells the clock whether anything ran since it was last asked, and what left callbacks.
class fake_clock::watcher final : public observer {
public:
    explicit watcher(fake_clock& clock) noexcept : clock_(clock) {}

    void on_tick(std::size_t ready, std::size_t) noexcept override {
        progress_ = progress_ || ready > 0;
    }
    void on_exception(const exception_context& context) noexcept override {
        const bool left_a_callback = context.task_id == 0 && context.future_id == 0;
        if (left_a_callback && context.exception != nullptr && !clock_.drives_.empty()) {
            clock_.drives_.front()->thrown.push_back(context.exception);
        }
    }

    [[nodiscard]] bool take_progress() noexcept { return std::exchange(progress_, false); }

private:
    fake_clock& clock_;
    bool progress_ = false;
};

/// What `outstanding_work` tokens share with the clock, and beyond its end.
struct fake_clock::external_work {
    std::mutex mutex;
    std::size_t count = 0;
    bool was_released = false;  ///< a token has gone since the clock last looked for its mail
    std::weak_ptr<coroscope::detail::inbox> mail;
};

}  // namespace coroscope::testkit
