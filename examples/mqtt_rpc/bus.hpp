// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace mqtt_rpc {

/// There is no connection to the broker, or there is none any more.
class bus_lost : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct message {
    message(std::string t, std::string p) : topic(std::move(t)), payload(std::move(p)) {}
    std::string topic;
    std::string payload;
};

/// What remote calls need of a broker: everybody who has subscribed to a topic gets what anybody
/// publishes there. `mqtt_client` is the real one; tests have theirs.
///
/// **Lifetime**: handlers may be called as long as the bus lives, so what they refer to goes right
/// after the bus, or right before it in the same step. **Thread safety**: the loop's thread only.
class bus {
public:
    using message_handler = std::function<void(const message&)>;
    using lost_handler = std::function<void(const std::exception_ptr&)>;

    bus() = default;
    bus(const bus&) = delete;
    bus& operator=(const bus&) = delete;
    virtual ~bus() = default;

    /// Sends it off and waits for nothing; it may get lost. Throws `bus_lost`.
    virtual void publish(const std::string& topic, const std::string& payload) = 0;
    /// Completes when the broker has agreed: what is published from then on comes to `f`. Throws
    /// `bus_lost`.
    [[nodiscard]] virtual coroscope::coro<> subscribe(std::string topic, message_handler f) = 0;
    /// `f` is called once, with a `bus_lost`, when the connection has gone; at once if it has.
    virtual void on_lost(lost_handler f) = 0;
};

}  // namespace mqtt_rpc
