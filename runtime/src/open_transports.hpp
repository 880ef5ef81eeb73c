// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/transport.hpp>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace coroscope::detail {

/// A transport that its loop keeps while it is open.
class kept_transport {
public:
    kept_transport() = default;
    kept_transport(const kept_transport&) = delete;
    kept_transport& operator=(const kept_transport&) = delete;
    virtual ~kept_transport() = default;
    /// The loop closes: lets go of everything, and calls nobody.
    virtual void leave_loop() noexcept = 0;
};

/// The open transports of one loop. A transport and its protocol keep each other; both go when the
/// connection ends, or, through this, when the loop closes.
class open_transports : public boost::asio::execution_context::service {
public:
    static inline boost::asio::execution_context::id id;  // NOLINT: Asio wants it so
    explicit open_transports(boost::asio::io_context& io) : service(io) {}

    [[nodiscard]] static open_transports& of(loop& l) {
        return boost::asio::use_service<open_transports>(l.io_context());
    }
    void add(std::shared_ptr<kept_transport> t) {
        auto* const place = t.get();
        open_.emplace(place, std::move(t));
    }
    void remove(kept_transport& t) noexcept { open_.erase(&t); }
    void clear() noexcept;
    /// Where bytes are read to that a protocol gets during one call.
    [[nodiscard]] std::span<char> room() noexcept { return room_; }

private:
    void shutdown() noexcept override { clear(); }

    std::unordered_map<kept_transport*, std::shared_ptr<kept_transport>> open_;
    std::vector<char> room_ = std::vector<char>(std::size_t{64} * 1024);
};

/// Lets go of the context's transports, if it has any.
void forget_transports(boost::asio::io_context& io) noexcept;

/// Tells the loop's exception handler what a protocol's method threw.
void report_protocol(loop& in, const char* message, std::exception_ptr thrown,
                     std::shared_ptr<base_protocol> protocol,
                     std::shared_ptr<base_transport> transport) noexcept;

/// Tells it in debug mode of a transport that was open when it closed.
void report_left_open(loop& in, std::shared_ptr<base_transport> transport) noexcept;

/// Aborts a transport whose task is cancelled, or whose start fails.
template <class Transport>
class abort_unless_done {
public:
    explicit abort_unless_done(std::shared_ptr<Transport> t) noexcept : transport_(std::move(t)) {}
    abort_unless_done(const abort_unless_done&) = delete;
    abort_unless_done& operator=(const abort_unless_done&) = delete;
    ~abort_unless_done() {
        if (!is_done) { transport_->abort(); }
    }
    bool is_done = false;

private:
    std::shared_ptr<Transport> transport_;
};

/// asyncio's rule for limits of which one or none is given.
[[nodiscard]] write_buffer_limits limits_from(std::optional<std::size_t> high,
                                              std::optional<std::size_t> low);

}  // namespace coroscope::detail
