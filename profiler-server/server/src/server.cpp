// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/server.hpp>

#include "commands.hpp"
#include "connection.hpp"
#include "long_answers.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace coroscope::profiler_server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds accept_pause{100};

std::string advice(const boost::system::error_code& code) {
    if (code == asio::error::address_in_use) {
        return "another program listens there: choose another port, or 0 for any free one";
    }
    if (code == asio::error::access_denied) {
        return "ports below 1024 are for the superuser: choose a higher one, or 0 for any free one";
    }
    if (code == asio::error::invalid_argument) {
        return "the host must be a numeric address or localhost";
    }
    return "choose an address of this machine";
}

tcp::endpoint resolved(const endpoint& where) {
    boost::system::error_code error;
    const auto host = where.host == "localhost" ? std::string("127.0.0.1") : where.host;
    const auto address = asio::ip::make_address(host, error);
    if (error) { throw listen_error(where, asio::error::invalid_argument); }
    return {address, where.port};
}

// Programs that the process starts must not inherit our sockets: they would keep the port taken.
template <typename Socket>
void close_on_exec(Socket& socket) {
    (void)::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
}

// For its lifetime, threads are born with all signals blocked.
class all_signals_blocked {
public:
    all_signals_blocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    all_signals_blocked(const all_signals_blocked&) = delete;
    all_signals_blocked& operator=(const all_signals_blocked&) = delete;
    ~all_signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

protocol::session_options session_options_of(const server_options& options) {
    protocol::session_options session;
    session.limits.max_bytes = options.max_request_bytes;
    session.request_timeout = options.request_timeout;
    session.first_request_timeout = options.first_request_timeout;
    session.next_request_timeout = options.next_request_timeout;
    return session;
}

}  // namespace

listen_error::listen_error(const endpoint& where, const boost::system::error_code& code)
    : std::runtime_error("profiler server: cannot listen on " + where.host + ":"
                         + std::to_string(where.port) + ": " + code.message() + "; "
                         + advice(code)),
      code_(code) {}

class profiler_server::implementation {
public:
    implementation(std::shared_ptr<facts_source> facts, const endpoint& where,
                   const server_options& options)
        : facts_(std::move(facts)),
          options_(options),
          session_options_(session_options_of(options)),
          commands_(make_command_table(*facts_, options.program)) {
        listen(where);
        accept();
        const all_signals_blocked blocked;
        thread_ = std::thread([this] { run(); });
    }
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;
    ~implementation() { close(); }

    void close() noexcept {
        const std::lock_guard lock(closing_);
        if (!thread_.joinable()) { return; }
        context_->stop();
        thread_.join();
        answers_.reset();
        acceptor_.reset();
        pause_.reset();
        context_.reset();  // and with it the connections
        facts_.reset();
    }

    [[nodiscard]] const std::string& host() const noexcept { return host_; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::size_t connections() const noexcept { return open_.load(); }

private:
    void listen(const endpoint& where) {
        try {
            const auto address = resolved(where);
            acceptor_.emplace(*context_, address.protocol());
            close_on_exec(*acceptor_);
            acceptor_->set_option(tcp::acceptor::reuse_address(true));
            acceptor_->bind(address);
            acceptor_->listen();
            host_ = acceptor_->local_endpoint().address().to_string();
            port_ = acceptor_->local_endpoint().port();
        } catch (const boost::system::system_error& error) {
            throw listen_error(where, error.code());
        }
    }

    void accept() {
        acceptor_->async_accept([this](const auto& error, tcp::socket socket) {
            if (error == asio::error::operation_aborted) { return; }
            if (error) {  // out of file descriptors, mostly: wait for some to be closed
                pause_->expires_after(accept_pause);
                pause_->async_wait([this](const auto& cut_short) {
                    if (!cut_short) { accept(); }
                });
                return;
            }
            start(std::move(socket));
            accept();
        });
    }

    void start(tcp::socket socket) {
        close_on_exec(socket);
        const auto open = open_.load();
        if (open >= 2 * options_.max_connections) { return; }
        const auto client =
            std::make_shared<connection>(std::move(socket), commands_, *answers_, session_options_,
                                         options_.write_timeout, open_);
        if (open < options_.max_connections) {
            client->serve();
            return;
        }
        protocol::reply reply;
        reply.error = {protocol::error_code::too_many_connections,
                       "all " + std::to_string(options_.max_connections)
                           + " connections are taken; try again later",
                       {}};
        client->refuse(encode_reply(reply));
    }

    void run() noexcept {
        (void)pthread_setname_np(pthread_self(), "coroscope-serve");
        while (!context_->stopped()) {
            try {
                context_->run();
            } catch (...) {
                // Out of memory in one connection ends that connection, not the server.
            }
        }
    }

    std::shared_ptr<facts_source> facts_;
    server_options options_;
    protocol::session_options session_options_;
    protocol::command_table commands_;
    std::atomic<std::size_t> open_{0};
    std::optional<asio::io_context> context_{std::in_place, 1};
    std::optional<long_answers> answers_{std::in_place, *context_, commands_};
    std::optional<tcp::acceptor> acceptor_;
    std::optional<asio::steady_timer> pause_{std::in_place, *context_};
    std::string host_;
    std::uint16_t port_ = 0;
    std::mutex closing_;
    std::thread thread_;
};

profiler_server::profiler_server(std::shared_ptr<facts_source> facts, const endpoint& where,
                                 const server_options& options)
    : implementation_(std::make_unique<implementation>(std::move(facts), where, options)) {}

profiler_server::profiler_server(profiler_server&&) noexcept = default;
profiler_server& profiler_server::operator=(profiler_server&&) noexcept = default;
profiler_server::~profiler_server() = default;

const std::string& profiler_server::host() const noexcept {
    return implementation_->host();
}

std::uint16_t profiler_server::port() const noexcept {
    return implementation_->port();
}

std::size_t profiler_server::connections() const noexcept {
    return implementation_->connections();
}

void profiler_server::close() noexcept {
    implementation_->close();
}

profiler_server start_profiler_server(std::shared_ptr<facts_source> facts, const endpoint& where,
                                      const server_options& options) {
    return {std::move(facts), where, options};
}

}  // namespace coroscope::profiler_server
