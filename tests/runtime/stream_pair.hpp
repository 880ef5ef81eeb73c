// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/stream.hpp>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

/// What tests of I/O share: two connected streams, a place for sockets, and ways to wait.
namespace stream_pair {

using coroscope::coro;
using coroscope::stream;

/// A folder of its own, removed at the end.
class temporary_folder {
public:
    temporary_folder() {
        auto pattern = (std::filesystem::temp_directory_path() / "coroscope-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) { throw std::runtime_error("mkdtemp failed"); }
        path_ = pattern;
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

inline coro<> hand_over(coroscope::future<stream> to, stream s) {
    to.set_result(std::move(s));
    co_return;
}

/// Writes back what it reads, until the end.
inline coro<> echo_back(stream s) {
    auto part = co_await s.read(1000);
    while (!part.empty()) {
        s.write(part);
        co_await s.drain();
        part = co_await s.read(1000);
    }
}

/// The two ends of one connection.
struct connected {
    connected(stream a, stream b) : client(std::move(a)), peer(std::move(b)) {}
    stream client;
    stream peer;
};

/// Over a Unix-domain socket.
inline coro<connected> connect(coroscope::stream_options options = {}) {
    const temporary_folder folder;
    const auto path = folder / "s";
    auto accepted = coroscope::get_running_loop().create_future<stream>();
    const auto handler = [accepted](stream s) {
        return hand_over(accepted, std::move(s));
    };
    coroscope::server_options settings;
    settings.stream = options;
    auto server = co_await coroscope::start_unix_server(handler, path, settings);
    auto client = co_await coroscope::open_unix_connection(path, options);
    auto peer = co_await std::move(accepted);
    co_return connected(std::move(client), std::move(peer));
}

/// Reads until the end of the stream.
inline coro<std::string> read_all(stream& from) {
    std::string all;
    std::string part = co_await from.read(100'000);
    while (!part.empty()) {
        all += part;
        part = co_await from.read(100'000);
    }
    co_return all;
}

/// Lets everything else run while the loop polls its sockets twenty times.
inline coro<> let_others_run() {
    auto& loop = coroscope::get_running_loop();
    const auto enough = loop.statistics().polls + 20;
    while (loop.statistics().polls < enough) {
        co_await coroscope::yield_now();
    }
}

template <class Error, class T>
coro<std::string> message_of(coro<T> failing) {
    try {
        co_await std::move(failing);
    } catch (const Error& e) { co_return e.what(); }
    co_return "(nothing was thrown)";
}

/// Fills the connection until more than the high-water mark is unsent.
inline void fill_up(stream& s, std::size_t high_water) {
    const std::string block(50'000, 'x');
    while (s.unsent() <= high_water) {
        s.write(block);
    }
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace stream_pair
