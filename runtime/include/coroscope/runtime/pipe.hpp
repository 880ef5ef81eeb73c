// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/stream.hpp>

namespace coroscope {

/// The end of a pipe that is read from, as a stream of the running loop; of a named pipe, a socket
/// or a terminal as well.
///
///     auto output = coroscope::open_read_pipe(std::move(end));
///     const std::string line = co_await output.read_line();
///
/// The stream owns the descriptor from here on, also if this throws, and makes it non-blocking:
/// with it every other descriptor of the same open file, in other processes too (a terminal that
/// several programs share is one). `write` throws `invalid_state_error`. **Errors**:
/// `boost::system::system_error` naming the descriptor where it cannot be waited for: a file, or
/// one that belongs to a stream or another object of Asio.
[[nodiscard]] stream open_read_pipe(file_descriptor end, stream_options options = {});

/// The end that is written to. `close` sends what was written first, and so does `write_eof`, which
/// closes a pipe altogether. Once the reader is gone, `drain` throws `broken_pipe`; the signal
/// SIGPIPE is not raised. Reading throws `invalid_state_error`.
[[nodiscard]] stream open_write_pipe(file_descriptor end, stream_options options = {});

}  // namespace coroscope
