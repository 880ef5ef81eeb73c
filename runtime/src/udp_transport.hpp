// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/datagram_connection.hpp>

#include "datagram_state.hpp"
#include "open_transports.hpp"
#include "stream_state.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace coroscope::detail {

/// The transport over a UDP socket. Like `stream_transport`, it calls the protocol from callbacks
/// of the loop.
class udp_transport final : public datagram_transport,
                            public kept_transport,
                            public std::enable_shared_from_this<udp_transport> {
public:
    using endpoint_type = boost::asio::ip::udp::endpoint;

    udp_transport(loop_core& core, std::shared_ptr<datagram_state> socket,
                  std::shared_ptr<datagram_protocol> protocol, await_site where);

    /// Schedules `connection_made`, then receiving.
    void start();
    [[nodiscard]] coro<> wait_until_begun(await_site where);

    void close() noexcept override;
    [[nodiscard]] bool is_closing() const noexcept override { return is_closing_; }
    [[nodiscard]] std::string description() const override;
    void sendto(std::string_view bytes, const std::optional<datagram_address>& to) override;
    void abort() noexcept override;
    void set_write_buffer_limits(std::optional<std::size_t> high,
                                 std::optional<std::size_t> low) override;
    [[nodiscard]] write_buffer_limits get_write_buffer_limits() const noexcept override;
    [[nodiscard]] std::size_t get_write_buffer_size() const noexcept override { return unsent_; }
    [[nodiscard]] std::shared_ptr<datagram_protocol> get_protocol() const noexcept override;
    [[nodiscard]] const std::string& remote_endpoint() const noexcept override { return remote_; }
    [[nodiscard]] const std::string& local_endpoint() const noexcept override { return local_; }
    [[nodiscard]] std::uint16_t port() const noexcept override;
    [[nodiscard]] int native_handle() const noexcept override;

    void leave_loop() noexcept override;

private:
    struct unsent_datagram {
        std::string bytes;
        std::optional<endpoint_type> to;
    };

    template <class F>
    void soon(F f) noexcept;
    template <class F>
    void tell(const char* failed, F f) noexcept;
    [[nodiscard]] std::optional<endpoint_type> target_of(
        const std::optional<datagram_address>& to) const;
    /// False if the kernel has no room now.
    [[nodiscard]] bool send_now(std::string_view bytes, const std::optional<endpoint_type>& to);
    void await_room();
    void send_rest();
    void await_datagram();
    void receive();
    void report(const boost::system::error_code& error, const std::string& doing) noexcept;
    void update_writing() noexcept;
    void shut() noexcept;
    void end() noexcept;

    core_reference core_;
    std::shared_ptr<datagram_state> socket_;
    std::shared_ptr<datagram_protocol> protocol_;
    await_site created_at_;
    std::string remote_;
    std::string local_;
    std::deque<unsent_datagram> queue_;
    std::size_t unsent_ = 0;  ///< bytes in the queue
    write_buffer_limits limits_;
    waiting_tasks begun_;
    bool is_closing_ = false;
    bool is_shut_ = false;  ///< the end is scheduled
    bool is_writing_paused_ = false;
};

}  // namespace coroscope::detail
