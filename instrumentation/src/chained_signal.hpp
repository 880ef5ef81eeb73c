// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace coroscope::instrumentation::detail {

using signal_handler = void (*)(int number, siginfo_t* info, void* context);

/// Puts a handler in the place of the signal's, which goes into `earlier`. It runs on the alternate
/// stack where there is one, with all signals held back.
void chain_handler(int number, signal_handler handler, struct sigaction& earlier);

/// Whether the handler is the signal's.
[[nodiscard]] bool has_handler(int number, signal_handler handler) noexcept;

/// Passes a signal on to the handler that was there before. In a signal handler.
void call_handler(const struct sigaction& earlier, int number, siginfo_t* info,
                  void* context) noexcept;

}  // namespace coroscope::instrumentation::detail
