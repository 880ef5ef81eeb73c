// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

namespace coroscope::benchmarks {

/// The client of the echo benchmarks: a thread of its own that opens connections to a port of the
/// loopback interface, sends a message on each, and answers every echo with the next message,
/// until there have been enough round trips; then it closes all. It uses epoll and no library but
/// OpenSSL, so that it is the same whoever serves.
class echo_load {
public:
    static constexpr std::size_t message_bytes = 64;
    enum class transport { plain, tls };  ///< it trusts every certificate

    echo_load(std::uint16_t port, std::size_t connections, std::size_t round_trips,
              transport over = transport::plain);
    echo_load(const echo_load&) = delete;
    echo_load& operator=(const echo_load&) = delete;
    ~echo_load();

    /// Waits for the end; gives wall nanoseconds a round trip, or throws what went wrong.
    [[nodiscard]] double nanoseconds_per_round_trip();

private:
    void run(std::uint16_t port, std::size_t connections, std::size_t round_trips, transport over);

    double result_ = 0;
    std::string error_;
    std::thread thread_;
};

/// Lets this process open so many files, sockets included. Throws `std::runtime_error` if the
/// system's hard limit is lower.
void allow_open_files(std::size_t count);

}  // namespace coroscope::benchmarks
