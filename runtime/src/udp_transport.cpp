// SPDX-License-Identifier: Apache-2.0
#include "udp_transport.hpp"

#include "sited.hpp"

#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <utility>

namespace coroscope::detail {

using boost::asio::ip::udp;
using boost::system::error_code;
using boost::system::system_error;

udp_transport::udp_transport(loop_core& core, std::shared_ptr<datagram_state> socket,
                             std::shared_ptr<datagram_protocol> protocol, await_site where)
    : core_(core),
      socket_(std::move(socket)),
      protocol_(std::move(protocol)),
      created_at_(where),
      remote_(socket_->remote),
      local_(socket_->local),
      limits_(limits_from(std::nullopt, std::nullopt)) {}

template <class F>
void udp_transport::soon(F f) noexcept {
    try {
        core_->self->call_soon(std::move(f), created_at_);
    } catch (...) { leave_loop(); }  // no memory
}

template <class F>
void udp_transport::tell(const char* failed, F f) noexcept {
    const auto called = protocol_;
    if (called == nullptr) { return; }
    try {
        f(*called);
    } catch (...) {
        report_protocol(*core_->self, failed, std::current_exception(), called, shared_from_this());
    }
}

void udp_transport::start() {
    auto& in = *core_->self;
    open_transports::of(in).add(shared_from_this());
    auto made = [self = shared_from_this()] {
        self->tell("datagram_protocol::connection_made failed",
                   [&](datagram_protocol& p) { p.connection_made(self); });
    };
    in.call_soon(std::move(made), created_at_);
    auto begin = [self = shared_from_this()] {
        self->begun_.release();  // first, so that who waits goes on before anything is received
        self->await_datagram();
    };
    in.call_soon(std::move(begin), created_at_);
}

coro<> udp_transport::wait_until_begun(await_site where) {
    const auto self = shared_from_this();
    auto begun = begun_.add(core_.get(), wait_kind::io, where);
    co_await at(where, std::move(begun));
}

// --- Sending

std::optional<udp::endpoint> udp_transport::target_of(
    const std::optional<datagram_address>& to) const {
    if (!to.has_value()) {
        if (!remote_.empty()) { return std::nullopt; }
        throw std::invalid_argument("sendto: the datagram transport " + local_
                                    + " is not connected; say where the datagram is to go");
    }
    std::optional<udp::endpoint> target;
    try {
        target = numeric(*to);
    } catch (const system_error& e) { throw std::invalid_argument(e.what()); }
    if (remote_.empty()) { return target; }
    if (to_text(*target) != remote_) {
        throw std::invalid_argument("sendto: the datagram transport " + local_ + " is connected to "
                                    + remote_ + ", and cannot send to " + to_text(*target));
    }
    return std::nullopt;
}

void udp_transport::sendto(std::string_view bytes, const std::optional<datagram_address>& to) {
    if (core_->debug) { check_thread(core_.get(), "datagram_transport::sendto"); }
    const auto target = target_of(to);
    if (is_closing_ || socket_ == nullptr) { return; }
    const bool was_empty = queue_.empty();
    if (was_empty && send_now(bytes, target)) { return; }
    queue_.push_back({std::string(bytes), target});
    unsent_ += bytes.size();
    if (was_empty) { await_room(); }
    update_writing();
}

bool udp_transport::send_now(std::string_view bytes, const std::optional<endpoint_type>& to) {
    error_code error;
    const auto buffer = boost::asio::buffer(bytes.data(), bytes.size());
    if (to.has_value()) {
        socket_->socket.send_to(buffer, *to, 0, error);
    } else {
        socket_->socket.send(buffer, 0, error);
    }
    if (error == boost::asio::error::would_block) { return false; }
    if (error) { report(error, "sending a datagram to " + (to ? to_text(*to) : remote_)); }
    return true;
}

void udp_transport::await_room() {
    ++core_->io_operations;
    auto ready = [self = shared_from_this(), kept = socket_](const error_code&) {
        --self->core_->io_operations;
        if (self->socket_ == nullptr || self->is_shut_) { return; }
        self->soon([self] { self->send_rest(); });
    };
    socket_->socket.async_wait(udp::socket::wait_write, std::move(ready));
}

void udp_transport::send_rest() {
    while (socket_ != nullptr && !is_shut_ && !queue_.empty()) {
        if (!send_now(queue_.front().bytes, queue_.front().to)) {
            await_room();
            break;
        }
        if (queue_.empty()) { return; }  // the protocol has aborted
        unsent_ -= queue_.front().bytes.size();
        queue_.pop_front();
    }
    update_writing();
    if (is_closing_ && queue_.empty()) { shut(); }
}

void udp_transport::update_writing() noexcept {
    if (socket_ == nullptr || is_shut_) { return; }
    if (!is_writing_paused_ && unsent_ > limits_.high) {
        is_writing_paused_ = true;
        tell("datagram_protocol::pause_writing failed",
             [](datagram_protocol& p) { p.pause_writing(); });
    } else if (is_writing_paused_ && unsent_ <= limits_.low) {
        is_writing_paused_ = false;
        tell("datagram_protocol::resume_writing failed",
             [](datagram_protocol& p) { p.resume_writing(); });
    }
}

void udp_transport::set_write_buffer_limits(std::optional<std::size_t> high,
                                            std::optional<std::size_t> low) {
    limits_ = limits_from(high, low);
    if (unsent_ > limits_.high) { update_writing(); }
}

write_buffer_limits udp_transport::get_write_buffer_limits() const noexcept {
    return limits_;
}

// --- Receiving

void udp_transport::await_datagram() {
    if (is_closing_ || socket_ == nullptr) { return; }
    ++core_->io_operations;
    auto ready = [self = shared_from_this(), kept = socket_](const error_code&) {
        --self->core_->io_operations;
        if (self->is_closing_ || self->socket_ == nullptr) { return; }
        self->soon([self] { self->receive(); });
    };
    socket_->socket.async_wait(udp::socket::wait_read, std::move(ready));
}

void udp_transport::receive() {
    if (is_closing_ || socket_ == nullptr) { return; }
    const auto s = socket_;
    udp::endpoint from;
    error_code error;
    const auto n = s->socket.receive_from(boost::asio::buffer(s->room), from, 0, error);
    if (!error) {
        const datagram_address sender(from.address().to_string(), from.port());
        const std::string_view bytes(s->room.data(), n);
        tell("datagram_protocol::datagram_received failed",
             [&](datagram_protocol& p) { p.datagram_received(bytes, sender); });
    } else if (error != boost::asio::error::would_block) {
        report(error, "receiving datagrams at " + local_);
    }
    await_datagram();
}

void udp_transport::report(const error_code& error, const std::string& doing) noexcept {
    const auto told = std::make_exception_ptr(system_error(error, doing));
    tell("datagram_protocol::error_received failed",
         [&](datagram_protocol& p) { p.error_received(told); });
}

// --- Ending

void udp_transport::close() noexcept {
    if (std::exchange(is_closing_, true) || socket_ == nullptr) { return; }
    if (queue_.empty()) { shut(); }
}

void udp_transport::abort() noexcept {
    is_closing_ = true;
    if (socket_ == nullptr) { return; }
    queue_.clear();
    unsent_ = 0;
    shut();
}

void udp_transport::shut() noexcept {
    if (std::exchange(is_shut_, true)) { return; }
    error_code ignored;
    socket_->socket.close(ignored);
    soon([self = shared_from_this()] { self->end(); });
}

void udp_transport::end() noexcept {
    const auto self = shared_from_this();
    tell("datagram_protocol::connection_lost failed",
         [](datagram_protocol& p) { p.connection_lost(nullptr); });
    if (socket_ == nullptr) { return; }
    socket_.reset();
    protocol_.reset();
    open_transports::of(*core_->self).remove(*this);
    begun_.release();
}

void udp_transport::leave_loop() noexcept {
    is_closing_ = true;
    const auto socket = std::exchange(socket_, nullptr);
    const auto protocol = std::exchange(protocol_, nullptr);
    if (socket == nullptr) { return; }
    report_left_open(*core_->self, shared_from_this());
    error_code ignored;
    socket->socket.close(ignored);
}

// --- Facts

std::shared_ptr<datagram_protocol> udp_transport::get_protocol() const noexcept {
    return protocol_;
}

std::string udp_transport::description() const {
    return remote_.empty() ? "datagrams at " + local_ : "datagrams " + local_ + " to " + remote_;
}

std::uint16_t udp_transport::port() const noexcept {
    error_code error;
    return socket_ != nullptr ? socket_->socket.local_endpoint(error).port() : std::uint16_t{0};
}

int udp_transport::native_handle() const noexcept {
    return socket_ != nullptr && socket_->socket.is_open() ? socket_->socket.native_handle() : -1;
}

coro<untyped_datagram_connection> create_datagram_endpoint(datagram_factory factory,
                                                           std::optional<datagram_address> local,
                                                           std::optional<datagram_address> remote,
                                                           await_site where) {
    if (!local.has_value() && !remote.has_value()) {
        throw std::invalid_argument(
            "create_datagram_endpoint needs an address to bind to, or one to connect to");
    }
    auto socket = co_await open_datagram_socket(local ? &*local : nullptr,
                                                remote ? &*remote : nullptr, where);
    auto made = factory();
    if (made == nullptr) {
        throw std::invalid_argument("a protocol factory returned null for " + socket->local);
    }
    auto t =
        std::make_shared<udp_transport>(get_running_loop().core(), std::move(socket), made, where);
    t->start();
    abort_unless_done guard(t);
    co_await t->wait_until_begun(where);
    guard.is_done = true;
    co_return untyped_datagram_connection(std::move(t), std::move(made));
}

}  // namespace coroscope::detail
