// SPDX-License-Identifier: Apache-2.0
#include "chained_signal.hpp"

namespace coroscope::instrumentation::detail {

void chain_handler(int number, signal_handler handler, struct sigaction& earlier) {
    ::sigaction(number, nullptr, &earlier);
    struct sigaction ours {};
    ours.sa_sigaction = handler;
    // The alternate stack, where there is one, since a fiber's may be full.
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigfillset(&ours.sa_mask);
    ::sigaction(number, &ours, nullptr);
}

bool has_handler(int number, signal_handler handler) noexcept {
    struct sigaction now {};
    return ::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0
           && now.sa_sigaction == handler;
}

void call_handler(const struct sigaction& earlier, int number, siginfo_t* info,
                  void* context) noexcept {
    if ((earlier.sa_flags & SA_SIGINFO) != 0) {
        earlier.sa_sigaction(number, info, context);
    } else if (earlier.sa_handler == SIG_DFL) {
        ::signal(number, SIG_DFL);
        ::raise(number);  // delivered when this handler returns
    } else if (earlier.sa_handler != SIG_IGN) {
        earlier.sa_handler(number);
    }
}

}  // namespace coroscope::instrumentation::detail
