// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>

#include <string_view>
#include <utility>

namespace coroscope::profiler_server {

namespace asio = boost::asio;

namespace {

// How long a client that has been answered may take to notice.
constexpr std::chrono::seconds linger_time{1};

}  // namespace

connection::connection(asio::ip::tcp::socket socket, const protocol::command_table& commands,
                       long_answers& answers, const protocol::session_options& options,
                       std::chrono::milliseconds write_timeout, std::atomic<std::size_t>& open)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      session_(commands, options, clock::now()),
      answers_(&answers),
      write_timeout_(write_timeout),
      open_(&open) {
    ++*open_;
}

connection::~connection() {
    --*open_;
}

void connection::serve() {
    read();
}

void connection::refuse(std::string bytes) {
    act({std::move(bytes), true});
}

// The pending operation ends with operation_aborted when the time is over. A write is many
// operations, and the time may be over between two of them, when there is nothing to cancel: only
// closing the socket ends it for certain.
void connection::arm(clock::time_point deadline, at_deadline then) {
    timed_out_ = false;
    timer_.expires_at(deadline);
    timer_.async_wait([self = shared_from_this(), armed = ++armed_, then](const auto& error) {
        if (error || armed != self->armed_) { return; }
        self->timed_out_ = true;
        boost::system::error_code ignored;
        if (then == at_deadline::close) {
            self->socket_.close(ignored);
        } else {
            self->socket_.cancel(ignored);
        }
    });
}

void connection::read() {
    arm(session_.deadline());
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](const auto& error, std::size_t count) {
                                self->on_read(error, count);
                            });
}

void connection::on_read(const boost::system::error_code& error, std::size_t count) {
    if (!error) {
        act(session_.on_bytes(std::string_view(input_.data(), count), clock::now()));
    } else if (error == asio::error::eof) {
        act(session_.on_end_of_input());
    } else if (error == asio::error::operation_aborted && timed_out_) {
        act(session_.on_timeout(clock::now()));
    } else {
        timer_.cancel();
    }
}

void connection::act(protocol::session_output output) {
    if (output.question) {
        await_answer(*std::move(output.question), output.close);
        return;
    }
    if (output.bytes.empty()) {
        output.close ? linger() : read();
        return;
    }
    output_ = std::move(output.bytes);
    arm(clock::now() + write_timeout_, at_deadline::close);
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this(), close = output.close](const auto& error, auto) {
                          self->on_written(error, close);
                      });
}

// A client that has stopped sending may wait for its answer all the same; one that has reset the
// connection does not.
void connection::await_answer(protocol::request question, bool close) {
    ++armed_;
    timer_.cancel();
    auto stop =
        answers_->begin(std::move(question), [self = shared_from_this(), close](std::string bytes) {
            boost::system::error_code ignored;
            self->socket_.cancel(ignored);
            const bool ends = close || bytes.empty();
            self->act({std::move(bytes), ends});
        });
    socket_.async_wait(asio::ip::tcp::socket::wait_error,
                       [stop = std::move(stop)](const auto& error) mutable {
                           if (!error) { stop.request_stop(); }
                       });
}

void connection::on_written(const boost::system::error_code& error, bool close) {
    output_ = {};
    if (error) {  // gone, or too slow
        timer_.cancel();
    } else if (close) {
        linger();
    } else {
        act(session_.on_written(clock::now()));
    }
}

// Closing a socket with unread input resets the connection, which can take the reply away from the
// client before it has read it. So we only stop sending, and read on until the client has closed.
void connection::linger() {
    boost::system::error_code error;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
    if (error) {
        timer_.cancel();
        return;
    }
    arm(clock::now() + linger_time);
    drain();
}

void connection::drain() {
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](const auto& error, std::size_t) {
                                if (!error && !self->timed_out_) {
                                    self->drain();
                                } else {
                                    self->timer_.cancel();
                                }
                            });
}

}  // namespace coroscope::profiler_server
