// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/stream.hpp>

#include "server_state.hpp"
#include "sited.hpp"
#include "socket_address.hpp"
#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace coroscope {
namespace {

using boost::asio::local::stream_protocol;
using boost::system::system_error;

[[nodiscard]] bool is_abstract(const std::string& path) {
    return path.empty() || path.front() == '\0';
}

[[nodiscard]] bool is_socket(const std::string& path, struct stat& found) {
    return ::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

/// Binds and notes which socket is ours, so that closing removes no other.
void listen_on_path(detail::server_state& s, const std::string& path) {
    const auto endpoint = detail::unix_endpoint(path);
    struct stat found = {};
    if (!is_abstract(path) && is_socket(path, found)) { ::unlink(path.c_str()); }
    detail::server_state::acceptor_type acceptor(s.in.io_context());
    acceptor.open(endpoint.protocol());
    acceptor.bind(endpoint);
    if (!is_abstract(path) && is_socket(path, found)) {
        s.path = path;
        s.inode = found.st_ino;
    }
    const int most = boost::asio::socket_base::max_listen_connections;
    acceptor.listen(s.options.backlog > 0 ? s.options.backlog : most);
    s.acceptors.push_back(std::move(acceptor));
}

}  // namespace

coro<stream> open_unix_connection(std::string path, stream_options options, await_site where) {
    auto& loop = get_running_loop();
    detail::stream_state::check(options);
    const auto endpoint = detail::unix_endpoint(path);
    stream_protocol::socket socket(loop.io_context());
    try {
        co_await detail::at(where, socket.async_connect(endpoint, use_coro));
    } catch (const system_error& e) {
        throw system_error(e.code(),
                           "connecting to the Unix-domain socket " + detail::to_text(endpoint));
    }
    co_return stream(
        std::make_shared<detail::stream_state>(loop.core(), std::move(socket), options));
}

coro<server> start_unix_server(connection_handler handler, std::string path, server_options options,
                               await_site where) {
    auto& loop = get_running_loop();
    detail::stream_state::check(options.stream);
    auto state = std::make_shared<detail::server_state>(loop, std::move(handler), options, where);
    try {
        listen_on_path(*state, path);
    } catch (const system_error& e) {
        throw system_error(e.code(), "listening on the Unix-domain socket " + path);
    }
    detail::start_accepting(state);
    co_return server(std::move(state));
}

}  // namespace coroscope
