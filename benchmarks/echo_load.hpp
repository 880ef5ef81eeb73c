// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <thread>

namespace coroscope::benchmarks {

/// The client of the echo benchmark: a thread of its own that opens connections to a port of the
/// loopback interface, sends a message on each, and answers every echo with the next message,
/// until there have been enough round trips; then it closes all. It uses epoll and no library, so
/// that it is the same whoever serves.
class echo_load {
public:
    static constexpr std::size_t connections = 50;
    static constexpr std::size_t message_bytes = 64;

    echo_load(std::uint16_t port, std::size_t round_trips);
    echo_load(const echo_load&) = delete;
    echo_load& operator=(const echo_load&) = delete;
    ~echo_load();

    /// Waits for the end; gives wall nanoseconds a round trip, or throws what went wrong.
    [[nodiscard]] double nanoseconds_per_round_trip();

private:
    void run(std::uint16_t port, std::size_t round_trips);

    double result_ = 0;
    int error_ = 0;
    std::thread thread_;
};

}  // namespace coroscope::benchmarks
