// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>

#include <boost/system/error_code.hpp>

#include <string_view>

namespace coroscope::detail {

class input_buffer;

/// What changes the bytes between a stream and its socket: TLS. Knows no sockets: the stream hands
/// it what has arrived, and sends its `output` after each call but `receive`.
class stream_filter {
public:
    enum class decoded {
        some,     ///< bytes were appended
        nothing,  ///< more must be received first
        end,      ///< the other side has announced its end
    };

    explicit stream_filter(duration time_to_end) noexcept : shutdown_timeout(time_to_end) {}
    stream_filter(const stream_filter&) = delete;
    stream_filter& operator=(const stream_filter&) = delete;
    virtual ~stream_filter() = default;

    /// Takes what came from the socket.
    virtual void receive(std::string_view wire) = 0;
    /// Appends what can be decoded of it.
    [[nodiscard]] virtual decoded decode(input_buffer& to, boost::system::error_code& error) = 0;
    /// The socket has ended: no error if that was announced before.
    [[nodiscard]] virtual boost::system::error_code end_of_wire() noexcept = 0;

    virtual void encode(std::string_view bytes, boost::system::error_code& error) = 0;
    /// Announces our end.
    virtual void encode_end() = 0;

    /// What is to be sent.
    [[nodiscard]] virtual std::string_view output() const noexcept = 0;
    virtual void drop_output() noexcept = 0;

    /// How long a closing stream waits for the other side's end.
    const duration shutdown_timeout;
};

}  // namespace coroscope::detail
