// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "long_answers.hpp"

#include <coroscope/profiler_server/protocol/session.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace coroscope::profiler_server {

/// One client's connection: moves bytes and watches the time; what to say is the session's matter.
///
/// It keeps itself alive by the operation that is pending, one at a time, and its timer. Everything
/// happens on the server's thread.
class connection : public std::enable_shared_from_this<connection> {
public:
    /// `answers` must outlive everything that happens on the server's thread.
    connection(boost::asio::ip::tcp::socket socket, const protocol::command_table& commands,
               long_answers& answers, const protocol::session_options& options,
               std::chrono::milliseconds write_timeout, std::atomic<std::size_t>& open);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection();

    /// Reads requests and answers them.
    void serve();

    /// Says one thing and closes.
    void refuse(std::string bytes);

private:
    using clock = std::chrono::steady_clock;

    void read();
    void on_read(const boost::system::error_code& error, std::size_t count);
    void act(protocol::session_output output);
    void on_written(const boost::system::error_code& error, bool close);
    void await_answer(protocol::request question, bool close);
    void linger();
    void drain();
    enum class at_deadline { cancel, close };
    void arm(clock::time_point deadline, at_deadline then = at_deadline::cancel);

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer timer_;
    protocol::session session_;
    long_answers* answers_;
    std::chrono::milliseconds write_timeout_;
    std::atomic<std::size_t>* open_;
    std::array<char, std::size_t{16} << 10U> input_{};
    std::string output_;
    std::uint64_t armed_ = 0;  // counts arm(): a timer's end that comes late is told by it
    bool timed_out_ = false;
};

}  // namespace coroscope::profiler_server
