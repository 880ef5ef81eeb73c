// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/datagram_endpoint.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <string_view>

namespace coroscope {

class datagram_transport;
class transport;

/// What every protocol is told, whatever it talks through. A protocol is an object of yours whose
/// methods the loop calls, each in a step of its own but for those that answer a call of yours
/// (`pause_writing`, `error_received`), from `connection_made` to `connection_lost`.
///
/// Derive from `protocol`, `buffered_protocol` or `datagram_protocol`. All methods are optional
/// unless they are pure. What one throws goes to the loop's exception handler, with the protocol
/// and its transport in the context. **Lifetime**: shared with the transport, which lets go of it
/// after `connection_lost`, or when the loop closes (without calling anything then).
class base_protocol {
public:
    base_protocol() = default;
    base_protocol(const base_protocol&) = delete;
    base_protocol& operator=(const base_protocol&) = delete;
    virtual ~base_protocol() = default;

    /// The last call, exactly one: null after `close`, `abort` or the other side's end, else what
    /// the connection was lost by.
    virtual void connection_lost(std::exception_ptr /*reason*/) {}
    /// More bytes than the high-water mark are unsent: stop writing
    virtual void pause_writing() {}
    /// until no more than the low-water mark are. Always follows a `pause_writing`, never comes
    /// without one.
    virtual void resume_writing() {}
};

/// A protocol of a connection or pipe. Not for deriving: there are two kinds, which differ in how
/// bytes reach them.
class streaming_protocol : public base_protocol {
public:
    /// The first call, before anything is read. Keep the pointer to write.
    virtual void connection_made(std::shared_ptr<transport> /*connection*/) {}
    /// The other side sends no more. False closes the transport; with true it stays open for
    /// writing (a pipe does not).
    virtual bool eof_received() { return false; }

private:
    friend class protocol;
    friend class buffered_protocol;
    streaming_protocol() = default;
};

/// Gets the bytes that arrive as they come, in pieces of any size.
///
///     class echo : public coroscope::protocol {
///     public:
///         void connection_made(std::shared_ptr<coroscope::transport> t) override {
///             transport_ = std::move(t);
///         }
///         void data_received(std::string_view bytes) override { transport_->write(bytes); }
///
///     private:
///         std::shared_ptr<coroscope::transport> transport_;
///     };
///
/// An exception from `data_received` or `eof_received` closes the transport: `connection_lost` is
/// given it.
class protocol : public streaming_protocol {
public:
    /// Never empty; valid during the call.
    virtual void data_received(std::string_view /*bytes*/) {}
};

/// Gets the bytes that arrive in memory of its own, with no copy between. Exceptions are as those
/// of `protocol`.
class buffered_protocol : public streaming_protocol {
public:
    /// Where the next bytes are to go: not empty, valid until `buffer_updated` or the next
    /// `get_buffer`. `hint` is a size that would fit, and may be ignored.
    [[nodiscard]] virtual std::span<char> get_buffer(std::size_t hint) = 0;
    /// So many bytes were put there, at least one.
    virtual void buffer_updated(std::size_t n) = 0;
};

/// Gets datagrams. Exceptions are reported, and the transport goes on.
class datagram_protocol : public base_protocol {
public:
    virtual void connection_made(std::shared_ptr<datagram_transport> /*endpoint*/) {}
    /// One datagram, which may be empty; the bytes are valid during the call.
    virtual void datagram_received(std::string_view /*bytes*/, const datagram_address& /*from*/) {}
    /// Sending or receiving failed, of a connected transport as a rule because nobody listens at
    /// the other side. The transport works on.
    virtual void error_received(std::exception_ptr /*error*/) {}
};

}  // namespace coroscope
