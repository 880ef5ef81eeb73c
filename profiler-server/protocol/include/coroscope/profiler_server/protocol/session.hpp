// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/protocol/command_table.hpp>
#include <coroscope/profiler_server/protocol/framer.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace coroscope::profiler_server::protocol {

struct session_options {
    frame_limits limits;
    /// From a request's first byte to its last. More bytes do not prolong it.
    std::chrono::milliseconds request_timeout{3'000};
    /// From the connection to the first request's first byte.
    std::chrono::milliseconds first_request_timeout{10'000};
    /// From a reply to the next request's first byte, for those who send an `id`.
    std::chrono::milliseconds next_request_timeout{300'000};
};

/// What the owner of the connection is to do now: write the bytes, and then close or go on.
struct session_output {
    std::string bytes;
    bool close = false;
    /// There are no bytes yet: they are `encode_reply` of what the command table answers to this,
    /// which takes long. No time limit holds meanwhile.
    std::optional<request> question{};
};

/// One connection's side of the protocol, without the connection: bytes and times go in, bytes and
/// decisions come out.
///
/// A request without `id` is answered as soon as its object is complete, then the connection is
/// closed. A request with `id` is answered as soon, and the connection stays open. A line that is
/// no request gets an error; that closes the connection unless a request with `id` came before it.
///
/// The owner reads, calls `on_bytes`, writes what it returns, calls `on_written`, writes what that
/// returns, and so on until it returns nothing; then it reads again. So no client can make
/// us hold more than one reply, however many requests it sends at once.
///
/// **Thread safety**: none; belongs to one connection. **Lifetime**: the table must outlive it.
class session {
public:
    using time_point = std::chrono::steady_clock::time_point;

    session(const command_table& commands, const session_options& options, time_point now);

    /// Bytes have arrived. At most one reply comes back; see `on_written`.
    [[nodiscard]] session_output on_bytes(std::string_view bytes, time_point now);

    /// The last output has been written: the reply to the next request that has already arrived.
    [[nodiscard]] session_output on_written(time_point now);

    /// The other side sends no more.
    [[nodiscard]] session_output on_end_of_input();

    /// To be called at `deadline()`; earlier it does nothing.
    [[nodiscard]] session_output on_timeout(time_point now);

    /// When what we wait for must have come, while the owner reads.
    [[nodiscard]] time_point deadline() const;

private:
    [[nodiscard]] session_output next(time_point now);
    [[nodiscard]] session_output answer(const frame_step& step);
    [[nodiscard]] session_output refuse(refused_request refused);
    [[nodiscard]] session_output finish(error_code code, std::string message);

    const command_table* commands_;
    session_options options_;
    framer framer_;
    std::string pending_;           // arrived and not yet looked at
    std::size_t pending_from_ = 0;  // what is before this has been
    bool persistent_ = false;       // a request with an id came
    bool closed_ = false;
    time_point idle_since_;
    std::optional<time_point> request_since_;
};

}  // namespace coroscope::profiler_server::protocol
