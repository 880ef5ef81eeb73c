// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/protocol.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace coroscope {

/// The other half of a protocol: what it sends and ends with. Comes with `connection_made`.
///
/// **Thread safety**: the loop's thread only. **Lifetime**: shared by whoever keeps it; the loop
/// keeps it while it is open. After the end, and after its loop, its methods do nothing.
class base_transport {
public:
    base_transport() = default;
    base_transport(const base_transport&) = delete;
    base_transport& operator=(const base_transport&) = delete;
    virtual ~base_transport() = default;

    /// Reads no more, sends what was written, then ends. `connection_lost` comes soon after, never
    /// during the call. The second call does nothing.
    virtual void close() noexcept = 0;
    /// True once it is closed, was cut, or the connection was lost.
    [[nodiscard]] virtual bool is_closing() const noexcept = 0;
    /// What messages call it: `127.0.0.1:8080 to 127.0.0.1:52110`.
    [[nodiscard]] virtual std::string description() const = 0;
};

/// When `pause_writing` and `resume_writing` are called, in bytes unsent.
struct write_buffer_limits {
    std::size_t low = 0;
    std::size_t high = 0;
    friend bool operator==(const write_buffer_limits&, const write_buffer_limits&) = default;
};

/// A connection, with or without TLS, or an end of a pipe, for a `protocol`.
class transport : public base_transport {
public:
    /// Sends now what the kernel takes, and the rest in the background, in order. Does nothing once
    /// the transport is closing: the bytes could not reach anybody. Throws `invalid_state_error`
    /// after `write_eof`, and for the end of a pipe that is read from.
    virtual void write(std::string_view bytes) = 0;
    /// All of them, as one `write`.
    virtual void writelines(std::span<const std::string> parts) = 0;
    /// Tells the other side that nothing more comes, after what was written; reading goes on.
    /// Closes a pipe.
    virtual void write_eof() = 0;
    [[nodiscard]] virtual bool can_write_eof() const noexcept = 0;
    /// Ends at once and drops what is unsent; `connection_lost` gets null.
    virtual void abort() noexcept = 0;

    /// `data_received` is not called until `resume_reading`; meanwhile bytes stay in the kernel,
    /// which slows the other side down. Without effect where it is so already.
    virtual void pause_reading() noexcept = 0;
    virtual void resume_reading() = 0;
    /// False while paused or closing.
    [[nodiscard]] virtual bool is_reading() const noexcept = 0;

    /// Without `low` that is a quarter of `high`; without `high` that is four times `low`, or
    /// 64 KiB. Throws `std::invalid_argument` for `low` above `high`. A `high` of 0 pauses whenever
    /// something is unsent.
    virtual void set_write_buffer_limits(std::optional<std::size_t> high = std::nullopt,
                                         std::optional<std::size_t> low = std::nullopt) = 0;
    [[nodiscard]] virtual write_buffer_limits get_write_buffer_limits() const noexcept = 0;
    /// Bytes written that the kernel has not taken yet; with TLS, encrypted ones.
    [[nodiscard]] virtual std::size_t get_write_buffer_size() const noexcept = 0;

    /// From the next call on, this protocol is called. It is told of nothing that was before, not
    /// of the connection either. Throws `std::invalid_argument` for null.
    virtual void set_protocol(std::shared_ptr<streaming_protocol> to) = 0;
    /// Null after the end.
    [[nodiscard]] virtual std::shared_ptr<streaming_protocol> get_protocol() const noexcept = 0;

    /// As `stream::remote_endpoint`; a pipe is `pipe 7`. Stays after the end.
    [[nodiscard]] virtual const std::string& remote_endpoint() const noexcept = 0;
    [[nodiscard]] virtual const std::string& local_endpoint() const noexcept = 0;
    /// The descriptor, to look at or set options of; -1 once it is closed. Reading, writing or
    /// closing it breaks the transport.
    [[nodiscard]] virtual int native_handle() const noexcept = 0;
};

/// A UDP socket, for a `datagram_protocol`.
class datagram_transport : public base_transport {
public:
    /// Sends one datagram, which may be empty, now or in the background. `to` is a numeric address;
    /// without it the datagram goes where the transport is connected. What the kernel refuses is
    /// told to `error_received`. Throws `std::invalid_argument` where `to` is missing, is no
    /// numeric address, or is another than the connected one. Does nothing once the transport is
    /// closing.
    virtual void sendto(std::string_view bytes,
                        const std::optional<datagram_address>& to = std::nullopt) = 0;
    /// Ends at once and drops what is unsent; `connection_lost` gets null.
    virtual void abort() noexcept = 0;

    // As those of `transport`.
    virtual void set_write_buffer_limits(std::optional<std::size_t> high = std::nullopt,
                                         std::optional<std::size_t> low = std::nullopt) = 0;
    [[nodiscard]] virtual write_buffer_limits get_write_buffer_limits() const noexcept = 0;
    [[nodiscard]] virtual std::size_t get_write_buffer_size() const noexcept = 0;

    [[nodiscard]] virtual std::shared_ptr<datagram_protocol> get_protocol() const noexcept = 0;
    /// Empty unless connected.
    [[nodiscard]] virtual const std::string& remote_endpoint() const noexcept = 0;
    [[nodiscard]] virtual const std::string& local_endpoint() const noexcept = 0;
    /// The local port; 0 once it is closed.
    [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
    [[nodiscard]] virtual int native_handle() const noexcept = 0;
};

}  // namespace coroscope
