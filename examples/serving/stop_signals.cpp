// SPDX-License-Identifier: Apache-2.0
#include "stop_signals.hpp"

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/signal_handlers.hpp>

#include <csignal>

namespace serving {

stop_signals::stop_signals() {
    for (const int signal : {SIGINT, SIGTERM}) {
        const auto arrived = [this] {
            (first_.is_set() ? second_ : first_).set();
        };
        coroscope::add_signal_handler(coroscope::get_running_loop(), signal, arrived);
    }
}

stop_signals::~stop_signals() {
    for (const int signal : {SIGINT, SIGTERM}) {
        coroscope::remove_signal_handler(coroscope::get_running_loop(), signal);
    }
}

}  // namespace serving
