// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/connection.hpp>

#include "open_transports.hpp"
#include "stream_state.hpp"

#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace coroscope::detail {

/// The transport over a stream's inside: reads when there is something, and calls the protocol.
///
/// Whatever Asio completes only schedules a callback of the loop, which calls the protocol: each
/// call is a step of its own, and none happens inside of a call from the protocol, but for
/// `pause_writing`.
class stream_transport final : public transport,
                               public kept_transport,
                               private stream_listener,
                               public std::enable_shared_from_this<stream_transport> {
public:
    stream_transport(loop_core& core, std::shared_ptr<stream_state> stream,
                     std::shared_ptr<streaming_protocol> protocol, await_site where);

    /// Schedules `connection_made`, then reading.
    void start();
    /// Until `connection_made` has returned; the caller goes on before anything is read.
    [[nodiscard]] coro<> wait_until_begun(await_site where);
    /// Until `connection_lost` has returned.
    [[nodiscard]] coro<> wait_until_lost(await_site where);
    /// Null after the end.
    [[nodiscard]] const std::shared_ptr<stream_state>& state() const noexcept { return stream_; }

    /// Keeps the transport from reading while something else talks with the other side.
    class upgrade {
    public:
        /// Throws `invalid_state_error` for a transport that has ended, or is being upgraded.
        explicit upgrade(stream_transport& t);
        upgrade(const upgrade&) = delete;
        upgrade& operator=(const upgrade&) = delete;
        ~upgrade();
        [[nodiscard]] const std::shared_ptr<stream_state>& stream() const noexcept {
            return stream_;
        }

    private:
        std::shared_ptr<stream_transport> transport_;
        std::shared_ptr<stream_state> stream_;
    };

    void close() noexcept override;
    [[nodiscard]] bool is_closing() const noexcept override;
    [[nodiscard]] std::string description() const override;
    void write(std::string_view bytes) override;
    void writelines(std::span<const std::string> parts) override;
    void write_eof() override;
    [[nodiscard]] bool can_write_eof() const noexcept override;
    void abort() noexcept override;
    void pause_reading() noexcept override;
    void resume_reading() override;
    [[nodiscard]] bool is_reading() const noexcept override;
    void set_write_buffer_limits(std::optional<std::size_t> high,
                                 std::optional<std::size_t> low) override;
    [[nodiscard]] write_buffer_limits get_write_buffer_limits() const noexcept override;
    [[nodiscard]] std::size_t get_write_buffer_size() const noexcept override;
    void set_protocol(std::shared_ptr<streaming_protocol> to) override;
    [[nodiscard]] std::shared_ptr<streaming_protocol> get_protocol() const noexcept override;
    [[nodiscard]] const std::string& remote_endpoint() const noexcept override { return remote_; }
    [[nodiscard]] const std::string& local_endpoint() const noexcept override { return local_; }
    [[nodiscard]] int native_handle() const noexcept override;

    void leave_loop() noexcept override;

private:
    void on_drained() noexcept override;
    void on_failed(const boost::system::error_code& error) noexcept override;
    void on_closed() noexcept override;

    /// Calls the protocol; what it throws is fatal, and false returned.
    template <class F>
    bool call(const char* failed, F f) noexcept;
    /// The same, but the transport goes on.
    template <class F>
    void tell(const char* failed, F f) noexcept;
    void lose(std::exception_ptr reason) noexcept;
    void lose(const std::string& doing, const boost::system::error_code& error) noexcept;
    void update_writing() noexcept;
    void end() noexcept;

    template <class F>
    void soon(F f) noexcept;
    void begin();
    [[nodiscard]] bool is_open() const noexcept;
    [[nodiscard]] bool wants_input() const noexcept;
    /// The handshake has the connection to itself.
    void expect_no_upgrade(const char* call) const;
    void await_input();
    void schedule_read() noexcept;
    void read();
    void read_directly();
    void read_decoded();
    void deliver_input() noexcept;
    bool deliver(std::span<const char> bytes) noexcept;
    [[nodiscard]] std::span<char> room_for(std::size_t hint) noexcept;
    void on_input(const boost::system::error_code& error);
    void on_end_of_input() noexcept;
    void on_reader_gone() noexcept;

    core_reference core_;
    std::shared_ptr<stream_state> stream_;
    std::shared_ptr<streaming_protocol> protocol_;
    protocol* plain_ = nullptr;  ///< one of these two is the protocol
    buffered_protocol* buffered_ = nullptr;
    await_site created_at_;
    std::string remote_;
    std::string local_;
    std::exception_ptr reason_;  ///< what the connection was lost by
    waiting_tasks begun_;
    waiting_tasks lost_;
    bool has_begun_ = false;          ///< reading may
    bool is_paused_ = false;          ///< reading is
    bool is_awaiting_input_ = false;  ///< in Asio
    bool is_read_scheduled_ = false;
    bool is_input_at_end_ = false;
    bool is_writing_paused_ = false;  ///< and the protocol was told so
    bool is_upgrading_ = false;
    bool is_cut_ = false;  ///< aborted or lost, rather than closed
};

template <class F>
void stream_transport::soon(F f) noexcept {
    try {
        core_->self->call_soon(std::move(f), created_at_);
    } catch (...) { leave_loop(); }  // no memory
}

template <class F>
bool stream_transport::call(const char* failed, F f) noexcept {
    const auto called = protocol_;  // it may set another one
    try {
        f(*called);
        return true;
    } catch (...) {
        const auto thrown = std::current_exception();
        report_protocol(*core_->self, failed, thrown, called, shared_from_this());
        lose(thrown);
        return false;
    }
}

template <class F>
void stream_transport::tell(const char* failed, F f) noexcept {
    const auto called = protocol_;
    if (called == nullptr) { return; }
    try {
        f(*called);
    } catch (...) {
        report_protocol(*core_->self, failed, std::current_exception(), called, shared_from_this());
    }
}

}  // namespace coroscope::detail
