// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/stream.hpp>

#include "stream_state.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace coroscope::detail {

/// What a server, its accepting tasks and its connections share.
class server_state {
public:
    using acceptor_type = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

    server_state(loop& owner, connection_handler f, const server_options& o, await_site where)
        : in(owner),
          handler(std::move(f)),
          options(o),
          created_at(where) {}

    loop& in;
    connection_handler handler;
    server_options options;
    await_site created_at;
    std::vector<acceptor_type> acceptors;
    std::vector<std::string> names;  ///< theirs; none once it is closed
    std::string name;                ///< the first one's, to the end
    std::uint16_t port = 0;
    std::string path;  ///< of the socket that the server made in the file system
    ino_t inode = 0;
    bool closed = false;
    std::size_t accepting = 0;  ///< tasks that accept
    std::unordered_map<std::uint64_t, any_task> connections;
    waiting_tasks ended;

    void close() noexcept;
    void release_if_ended() noexcept;

private:
    void remove_socket() const noexcept;
};

/// Starts a task for each acceptor.
void start_accepting(const std::shared_ptr<server_state>& s);

}  // namespace coroscope::detail
