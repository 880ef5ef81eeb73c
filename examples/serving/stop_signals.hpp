// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/event.hpp>

namespace serving {

/// SIGINT and SIGTERM as events of the running loop: the first one asks a program to stop, the
/// second one to stop at once. For `run`, set `run_options::handle_sigint` to false.
/// **Lifetime**: within the loop's. **Thread safety**: the loop's thread only.
class stop_signals {
public:
    stop_signals();
    stop_signals(const stop_signals&) = delete;
    stop_signals& operator=(const stop_signals&) = delete;
    ~stop_signals();

    [[nodiscard]] coroscope::event& first() noexcept { return first_; }
    [[nodiscard]] coroscope::event& second() noexcept { return second_; }

private:
    coroscope::event first_;
    coroscope::event second_;
};

}  // namespace serving
