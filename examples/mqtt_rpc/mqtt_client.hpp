// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct mosquitto;
struct mosquitto_message;

namespace mqtt_rpc {

/// A connection to an MQTT broker with quality of service 0: libmosquitto driven by the loop.
///
/// The library brings a socket of its own and functions that read, write and look after it. The
/// loop says when: `add_reader` always, `add_writer` while the library has something to write, a
/// timer once a second. No thread is involved, and no library call blocks. What the library's
/// callbacks tell is only noted in them; it is acted upon when the library has returned, so no
/// exception passes through its frames and none of its calls is inside another. The library
/// makes the process ignore SIGPIPE.
///
/// **Lifetime**: within the loop's; not destroyed by a handler of its own. Destroying it says
/// goodbye to the broker. **Thread safety**: the loop's thread only.
class mqtt_client final : public bus {
public:
    /// Connects to the first address of the host that works. Throws `bus_lost`, which says what to
    /// do, or what looking up the host throws. `timeout` is for each address.
    [[nodiscard]] static coroscope::coro<std::unique_ptr<mqtt_client>> connect(
        std::string host, std::uint16_t port, coroscope::duration timeout);
    ~mqtt_client() override;

    void publish(const std::string& topic, const std::string& payload) override;
    [[nodiscard]] coroscope::coro<> subscribe(std::string topic, message_handler f) override;
    void on_lost(lost_handler f) override;

private:
    struct subscription {
        message_handler handler;
        int request = 0;  ///< the library's number of the subscribe message
        bool is_refused = false;
        coroscope::event answered;
    };
    struct destroy {
        void operator()(mosquitto* m) const noexcept;
    };

    explicit mqtt_client(std::string broker);
    /// Completes when the broker has taken us.
    [[nodiscard]] coroscope::coro<> open(std::string address, std::uint16_t port);

    // What the library calls. Its frames let no exception through.
    static void on_connect(mosquitto*, void* self, int code) noexcept;
    static void on_subscribe(mosquitto*, void* self, int request, int count,
                             const int* granted) noexcept;
    static void on_message(mosquitto*, void* self, const mosquitto_message* m) noexcept;

    void watch();
    void stop_watching() noexcept;
    void update_writer();
    void read();
    void write();
    void look_after();
    /// After each call into the library, with what it has returned.
    void proceed(int code);
    void deliver();
    void lose(const std::string& why);
    [[nodiscard]] bool socket_has_failed();
    void expect_open() const;
    /// After a call that sends: throws if it has failed.
    void sent(int code);

    std::string broker_;  ///< for messages
    coroscope::loop& loop_;
    std::unique_ptr<mosquitto, destroy> library_;
    /// A copy of the library's socket: the library closes its own whenever it likes, and a
    /// descriptor must not be closed while it is watched.
    coroscope::file_descriptor watched_;
    bool is_writer_watched_ = false;
    coroscope::timer_handle timer_;

    bool is_connected_ = false;
    std::string refusal_;        ///< what the broker said to our connecting
    coroscope::event answered_;  ///< connected, or lost
    std::exception_ptr lost_;
    std::vector<lost_handler> lost_handlers_;
    std::map<std::string, subscription> subscriptions_;
    std::vector<message> arrived_;  ///< and not yet delivered
};

}  // namespace mqtt_rpc
