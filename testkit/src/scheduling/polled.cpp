// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/polled.hpp>

namespace coroscope::testkit {

std::ostream& operator<<(std::ostream& out, poll_state state) {
    return out << (state == poll_state::pending ? "pending" : "ready");
}

namespace detail {
namespace {

[[nodiscard]] loop_options with(clock& time) {
    loop_options options;
    options.clock = &time;
    return options;
}

}  // namespace

idle_action hand_clock::on_idle(const idle_state&) {
    idle_action action;
    action.what = idle_action::kind::quit;
    return action;
}

polling_loop::polling_loop() : loop_(with(clock_)) {
    // Told of coroutines that are destroyed where they stand, which is what tests of steps do.
    loop_.set_exception_handler([](coroscope::loop&, const exception_context&) {});
}

void polling_loop::run_pass() {
    loop_.stop();
    loop_.run_forever();
}

void polling_loop::advance(duration d) {
    clock_.advance(d);
    loop_.clock_moved();
}

}  // namespace detail
}  // namespace coroscope::testkit
