// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/connection.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>

#include "runtime/stream_pair.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// Protocols that write down what they are told, and connections for them.
namespace protocol_pair {

using namespace stream_pair;
using coroscope::streaming_protocol;
using coroscope::transport;

/// Notes each call in one log, `;` after each.
class noting : public coroscope::protocol {
public:
    void connection_made(std::shared_ptr<transport> t) override {
        connection = std::move(t);
        note("made");
        if (on_made) { on_made(); }
    }
    void data_received(std::string_view bytes) override {
        received += bytes;
        note("data");
        if (on_data) { on_data(); }
    }
    bool eof_received() override {
        note("eof");
        if (on_eof) { on_eof(); }
        return stays_open;
    }
    void connection_lost(std::exception_ptr reason) override {
        lost_by = reason;
        ++times_lost;
        note(reason == nullptr ? "lost" : "lost by error");
        if (on_lost) { on_lost(); }
    }
    void pause_writing() override { note("pause"); }
    void resume_writing() override { note("resume"); }

    std::shared_ptr<transport> connection;
    std::string log;
    std::string received;
    std::exception_ptr lost_by;
    int times_lost = 0;
    bool stays_open = false;
    std::function<void()> on_made;
    std::function<void()> on_data;
    std::function<void()> on_eof;
    std::function<void()> on_lost;

private:
    void note(const std::string& what) { log += what + ';'; }
};

/// A protocol and the stream at the other end.
struct talking {
    talking(coroscope::connection<noting> c, stream s)
        : protocol(std::move(c.protocol)),
          connection(std::move(c.transport)),
          peer(std::move(s)) {}
    std::shared_ptr<noting> protocol;
    std::shared_ptr<transport> connection;
    stream peer;
};

inline coro<talking> talk(std::shared_ptr<noting> with = std::make_shared<noting>()) {
    auto ends = co_await connect();
    const auto factory = [with] {
        return with;
    };
    auto made = co_await coroscope::connect_stream(factory, std::move(ends.client));
    co_return talking(std::move(made), std::move(ends.peer));
}

/// What the loop's exception handler is told.
class reports {
public:
    reports() {
        coroscope::get_running_loop().set_exception_handler(
            [this](coroscope::loop&, const coroscope::exception_context& context) {
                all.push_back(context);
            });
    }
    reports(const reports&) = delete;
    reports& operator=(const reports&) = delete;
    ~reports() { coroscope::get_running_loop().set_exception_handler({}); }
    std::vector<coroscope::exception_context> all;
};

/// Runs what is ready until the protocol has lost its connection.
inline coro<> until_lost(std::shared_ptr<noting> p) {
    while (p->times_lost == 0) {
        co_await coroscope::yield_now();
    }
}

}  // namespace protocol_pair
