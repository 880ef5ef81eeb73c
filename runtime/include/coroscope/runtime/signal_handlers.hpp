// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/callback.hpp>

namespace coroscope {

class loop;

/// Calls `f()` from the loop, as a callback like any other, whenever the process gets the signal. A
/// second call replaces `f`.
///
///     coroscope::add_signal_handler(loop, SIGTERM, [&] { server.close(); });
///
/// Signals that come before `f` has run may count as one. What `f` throws goes to the loop's
/// exception handler. Waiting for signals keeps no loop from being idle. **Errors**:
/// `std::invalid_argument` for a signal that cannot be handled, `invalid_state_error` for a closed
/// loop. **Thread safety**: the loop's thread only; loops in several threads may handle the same
/// signal, each gets it. **Lifetime**: closing the loop removes its handlers; with the last one of
/// a signal, what the process did on it before is restored.
void add_signal_handler(loop& in, int signal, detail::callback f,
                        await_site where = await_site::current());
/// False if there was none.
bool remove_signal_handler(loop& in, int signal) noexcept;

}  // namespace coroscope
