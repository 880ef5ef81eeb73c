// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/connection.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/pipe.hpp>

#include "stream_state.hpp"
#include "stream_transport.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <utility>

#include <sys/socket.h>

namespace coroscope::detail {
namespace {

using boost::system::error_code;

void expect_free(const stream_state& s) {
    const char* problem = nullptr;
    if (s.where_in_life != stream_state::phase::open) { problem = " is closed"; }
    if (s.has_reader) { problem = " is being read; let the reader end first"; }
    if (problem != nullptr) {
        throw invalid_state_error("connect_stream: the stream to " + s.remote + problem);
    }
}

/// Makes the protocol, then the transport, and schedules `connection_made`.
std::shared_ptr<stream_transport> start_transport(const protocol_factory& factory, stream s,
                                                  await_site where) {
    expect_free(*stream_access::state(s));
    auto made = factory();
    if (made == nullptr) {
        throw std::invalid_argument("a protocol factory returned null for the connection to "
                                    + s.remote_endpoint());
    }
    auto& core = get_running_loop().core();
    auto t =
        std::make_shared<stream_transport>(core, stream_access::take(s), std::move(made), where);
    t->start();
    return t;
}

void report_failed_start(const std::string& remote) {
    exception_context context;
    context.message = "the connection from " + remote + " was dropped: no transport for it";
    context.exception = std::current_exception();
    get_running_loop().call_exception_handler(context);
}

coro<> serve_protocol(protocol_factory factory, stream s, await_site where) {
    const std::string remote = s.remote_endpoint();
    std::shared_ptr<stream_transport> t;
    try {
        t = start_transport(factory, std::move(s), where);
    } catch (...) { report_failed_start(remote); }
    if (t == nullptr) { co_return; }
    abort_unless_done guard(t);
    co_await t->wait_until_lost(where);
    guard.is_done = true;
}

[[nodiscard]] stream stream_of(file_descriptor descriptor, const stream_options& options) {
    auto& loop = get_running_loop();
    stream_state::check(options);
    int family = 0;
    socklen_t size = sizeof family;
    error_code error;
    if (::getsockopt(descriptor.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
        error = error_code(errno, boost::system::system_category());
    }
    stream_state::socket_type socket(loop.io_context());
    if (!error) {
        socket.assign(boost::asio::generic::stream_protocol(family, 0), descriptor.get(), error);
    }
    if (error) {
        throw boost::system::system_error(error, "connect_accepted_socket: descriptor "
                                                     + std::to_string(descriptor.get())
                                                     + " cannot be used as a stream socket");
    }
    static_cast<void>(descriptor.release());
    return stream(std::make_shared<stream_state>(loop.core(), std::move(socket), options));
}

}  // namespace

coro<untyped_connection> connect_stream(protocol_factory factory, stream s, await_site where) {
    const auto t = start_transport(factory, std::move(s), where);
    auto made = t->get_protocol();
    abort_unless_done guard(t);
    co_await t->wait_until_begun(where);
    guard.is_done = true;
    co_return untyped_connection(t, std::move(made));
}

coro<untyped_connection> create_connection(protocol_factory factory, std::string host,
                                           std::uint16_t port, stream_options options,
                                           await_site where) {
    auto s = co_await open_connection(std::move(host), port, options, where);
    co_return co_await connect_stream(std::move(factory), std::move(s), where);
}

coro<untyped_connection> create_unix_connection(protocol_factory factory, std::string path,
                                                stream_options options, await_site where) {
    auto s = co_await open_unix_connection(std::move(path), options, where);
    co_return co_await connect_stream(std::move(factory), std::move(s), where);
}

coro<untyped_connection> connect_accepted_socket(protocol_factory factory, file_descriptor socket,
                                                 stream_options options, await_site where) {
    auto s = stream_of(std::move(socket), options);
    co_return co_await connect_stream(std::move(factory), std::move(s), where);
}

coro<untyped_connection> connect_read_pipe(protocol_factory factory, file_descriptor end,
                                           await_site where) {
    auto s = open_read_pipe(std::move(end));
    co_return co_await connect_stream(std::move(factory), std::move(s), where);
}

coro<untyped_connection> connect_write_pipe(protocol_factory factory, file_descriptor end,
                                            await_site where) {
    auto s = open_write_pipe(std::move(end));
    co_return co_await connect_stream(std::move(factory), std::move(s), where);
}

connection_handler with_protocol(protocol_factory factory, await_site where) {
    return [factory = std::move(factory), where](stream s) {
        return serve_protocol(factory, std::move(s), where);
    };
}

}  // namespace coroscope::detail
