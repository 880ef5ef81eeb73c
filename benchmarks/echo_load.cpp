// SPDX-License-Identifier: Apache-2.0
#include "echo_load.hpp"

#include "pinning.hpp"
#include "stopwatch.hpp"

#include <openssl/ssl.h>

#include <array>
#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coroscope::benchmarks {
namespace {

using message = std::array<char, echo_load::message_bytes>;

int check(long result) {
    if (result < 0) { throw std::system_error(errno, std::generic_category()); }
    return static_cast<int>(result);
}

class descriptor {
public:
    explicit descriptor(int value) noexcept : value_(value) {}
    descriptor(descriptor&& other) noexcept : value_(other.value_) { other.value_ = -1; }
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor() {
        if (value_ >= 0) { ::close(value_); }
    }
    [[nodiscard]] int get() const noexcept { return value_; }

private:
    int value_;
};

[[nodiscard]] descriptor connect_to(std::uint16_t port) {
    descriptor socket(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    const int on = 1;
    check(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    return socket;
}

using tls_settings = std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)>;

[[nodiscard]] tls_settings make_tls_settings() {
    tls_settings made(::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free);
    if (!made) { throw std::bad_alloc(); }
    // A read that meets only a session ticket comes back.
    ::SSL_CTX_clear_mode(made.get(), SSL_MODE_AUTO_RETRY);
    return made;
}

/// One connection with a message on its way, to the server or back.
class connection {
public:
    explicit connection(std::uint16_t port) : socket_(connect_to(port)) {}
    void shake_hands(SSL_CTX& settings) {
        tls_.reset(::SSL_new(&settings));
        if (!tls_ || ::SSL_set_fd(tls_.get(), socket_.get()) != 1
            || ::SSL_connect(tls_.get()) != 1) {
            throw std::runtime_error("the handshake failed");
        }
    }
    [[nodiscard]] int descriptor_number() const noexcept { return socket_.get(); }

    /// Reads what is there; true if that completes an echo.
    [[nodiscard]] bool receive() {
        message buffer;
        const auto room = buffer.size() - received_;
        const int bytes = tls_ ? ::SSL_read(tls_.get(), buffer.data(), static_cast<int>(room))
                               : check(::recv(socket_.get(), buffer.data(), room, 0));
        if (bytes <= 0) {
            if (tls_ && ::SSL_get_error(tls_.get(), bytes) == SSL_ERROR_WANT_READ) { return false; }
            throw std::runtime_error("the server closed a connection");
        }
        received_ += static_cast<std::size_t>(bytes);
        if (received_ < buffer.size()) { return false; }
        received_ = 0;
        return true;
    }
    void send() {
        static constexpr message text{};
        if (!tls_) {
            check(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL));
        } else if (::SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())) <= 0) {
            throw std::runtime_error("sending over TLS failed");
        }
    }

private:
    descriptor socket_;
    std::unique_ptr<SSL, decltype(&::SSL_free)> tls_{nullptr, &::SSL_free};
    std::size_t received_ = 0;
};

[[nodiscard]] std::vector<connection> open_connections(std::uint16_t port, std::size_t count,
                                                       SSL_CTX* tls, int poll) {
    std::vector<connection> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto& made = all.emplace_back(port);
        if (tls != nullptr) { made.shake_hands(*tls); }
        epoll_event interest{};
        interest.events = EPOLLIN;
        interest.data.u64 = i;
        check(::epoll_ctl(poll, EPOLL_CTL_ADD, made.descriptor_number(), &interest));
    }
    return all;
}

}  // namespace

echo_load::echo_load(std::uint16_t port, std::size_t connections, std::size_t round_trips,
                     transport over)
    : thread_([this, port, connections, round_trips, over] {
          try {
              run(port, connections, round_trips, over);
          } catch (const std::exception& e) { error_ = e.what(); }
      }) {}

echo_load::~echo_load() {
    if (thread_.joinable()) { thread_.join(); }
}

double echo_load::nanoseconds_per_round_trip() {
    thread_.join();
    if (!error_.empty()) {
        throw std::runtime_error("the client of the echo benchmark: " + error_);
    }
    return result_;
}

void echo_load::run(std::uint16_t port, std::size_t connections, std::size_t round_trips,
                    transport over) {
    pin_loading_thread();
    const descriptor poll(check(::epoll_create1(EPOLL_CLOEXEC)));
    const auto tls = make_tls_settings();
    auto all = open_connections(port, connections, over == transport::tls ? tls.get() : nullptr,
                                poll.get());
    const stopwatch watch(stopwatch::kind::wall);
    for (auto& c : all) {
        c.send();
    }
    std::vector<epoll_event> ready(connections);
    for (std::size_t done = 0; done < round_trips;) {
        const auto count =
            check(::epoll_wait(poll.get(), ready.data(), static_cast<int>(ready.size()), -1));
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            auto& c = all[ready[i].data.u64];
            if (!c.receive()) { continue; }
            ++done;
            c.send();
        }
    }
    result_ = watch.nanoseconds_per(round_trips);
}

void allow_open_files(std::size_t count) {
    rlimit limit{};
    check(::getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur >= count) { return; }
    if (limit.rlim_max < count) {
        throw std::runtime_error("tcp_echo_1000 needs " + std::to_string(count)
                                 + " open files, and the hard limit is "
                                 + std::to_string(limit.rlim_max)
                                 + "; raise it (ulimit -Hn), or choose others with --filter");
    }
    limit.rlim_cur = count;
    check(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace coroscope::benchmarks
