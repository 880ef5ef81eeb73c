// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/stream.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace coroscope::testkit {

struct stream_pair_options {
    /// Bytes of each direction that are kept for the reader; what is written beyond that is unsent,
    /// as with a socket whose buffers are full. Not 0.
    std::size_t capacity = std::size_t{64} * 1024;
    /// Of both ends.
    coroscope::stream_options stream;
};

/// Two connected streams.
struct stream_pair {
    stream_pair(stream a, stream b) : first(std::move(a)), second(std::move(b)) {}
    stream first;
    stream second;
};

/// Two streams in memory, on the loop that runs on this thread: what is written to one is read from
/// the other, at once, with the back-pressure, half close and errors of sockets. No socket is
/// involved, so that virtual time need not wait for anything. Throws `std::logic_error` if no loop
/// runs, and `std::invalid_argument` for limits that make no sense.
///
///     auto ends = make_stream_pair();
///     auto task = this_test().loop().create_task(serve(std::move(ends.second)));
///     ends.first.write("hello\n");
[[nodiscard]] stream_pair make_stream_pair(const stream_pair_options& options = {});

}  // namespace coroscope::testkit
