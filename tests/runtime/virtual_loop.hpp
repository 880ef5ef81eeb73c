// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

/// A clock that stands still until the loop has nothing to do, then jumps to the next deadline;
/// with nothing to wait for at all it ends the run, so that a broken test fails instead of hanging.
class manual_clock final : public coroscope::clock {
public:
    [[nodiscard]] coroscope::time_point now() const noexcept override {
        return coroscope::time_point(coroscope::duration(now_.load()));
    }
    [[nodiscard]] coroscope::idle_action on_idle(const coroscope::idle_state& state) override {
        last_idle = state;
        ++idles;
        coroscope::idle_action action;
        if (state.next_deadline.has_value()) {
            now_.store(state.next_deadline->time_since_epoch().count());
            action.what = coroscope::idle_action::kind::advanced;
        } else if (state.io_operations == 0 && state.jobs == 0 && !waits_for_others) {
            action.what = coroscope::idle_action::kind::quit;
        }
        return action;
    }
    void advance(coroscope::duration d) { now_.fetch_add(d.count()); }
    [[nodiscard]] coroscope::duration elapsed() const { return now().time_since_epoch(); }

    bool waits_for_others = false;  ///< other threads will wake the loop
    int idles = 0;
    coroscope::idle_state last_idle;

private:
    std::atomic<std::int64_t> now_{0};
};

/// A loop under a manual clock that keeps what its exception handler is told.
struct virtual_loop {
    explicit virtual_loop(coroscope::loop_options options = {}) : loop(with(options, clock)) {
        loop.set_exception_handler(
            [this](coroscope::loop&, const coroscope::exception_context& context) {
                reported.push_back(context);
            });
    }

    manual_clock clock;
    std::vector<coroscope::exception_context> reported;
    coroscope::loop loop;

private:
    static coroscope::loop_options with(coroscope::loop_options options, manual_clock& c) {
        options.clock = &c;
        return options;
    }
};
