// SPDX-License-Identifier: Apache-2.0
#include "echo_load.hpp"

#include "pinning.hpp"
#include "stopwatch.hpp"

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
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

struct connection {
    descriptor socket;
    std::size_t received = 0;
};

/// Reads what is there; true if that completes an echo.
[[nodiscard]] bool receive(connection& c) {
    message buffer;
    const auto bytes = check(::recv(c.socket.get(), buffer.data(), buffer.size() - c.received, 0));
    if (bytes == 0) { throw std::system_error(ECONNRESET, std::generic_category()); }
    c.received += static_cast<std::size_t>(bytes);
    if (c.received < buffer.size()) { return false; }
    c.received = 0;
    return true;
}

void send(const connection& c) {
    static constexpr message text{};
    check(::send(c.socket.get(), text.data(), text.size(), MSG_NOSIGNAL));
}

}  // namespace

echo_load::echo_load(std::uint16_t port, std::size_t round_trips)
    : thread_([this, port, round_trips] {
          try {
              run(port, round_trips);
          } catch (const std::system_error& e) { error_ = e.code().value(); }
      }) {}

echo_load::~echo_load() {
    if (thread_.joinable()) { thread_.join(); }
}

double echo_load::nanoseconds_per_round_trip() {
    thread_.join();
    if (error_ != 0) {
        throw std::system_error(error_, std::generic_category(),
                                "the client of the echo benchmark");
    }
    return result_;
}

void echo_load::run(std::uint16_t port, std::size_t round_trips) {
    pin_loading_thread();
    const descriptor poll(check(::epoll_create1(EPOLL_CLOEXEC)));
    std::vector<connection> all;
    all.reserve(connections);
    for (std::size_t i = 0; i < connections; ++i) {
        all.push_back({connect_to(port)});
        epoll_event interest{};
        interest.events = EPOLLIN;
        interest.data.u64 = i;
        check(::epoll_ctl(poll.get(), EPOLL_CTL_ADD, all.back().socket.get(), &interest));
    }
    const stopwatch watch(stopwatch::kind::wall);
    for (const auto& c : all) {
        send(c);
    }
    std::array<epoll_event, connections> ready;
    for (std::size_t done = 0; done < round_trips;) {
        const auto count = check(::epoll_wait(poll.get(), ready.data(), connections, -1));
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            auto& c = all[ready[i].data.u64];
            if (!receive(c)) { continue; }
            ++done;
            send(c);
        }
    }
    result_ = watch.nanoseconds_per(round_trips);
}

}  // namespace coroscope::benchmarks
