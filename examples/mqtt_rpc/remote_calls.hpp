// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"
#include "payloads.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/future.hpp>

#include <cstddef>
#include <exception>
#include <iosfwd>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace mqtt_rpc {

/// The other side has answered with an exception; this is its text.
class remote_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The calls that wait for their replies: the table from uuid and names to futures.
///
/// A call is in the table while somebody waits for it, and no longer: a reply, a timeout and a
/// cancellation all take it out. A reply to nothing in the table is ignored, since replies to
/// others come on the same topic, and late ones as well. Bad payloads are logged. When the bus is
/// lost, so are all calls. **Thread safety**: the loop's thread only. **Lifetime**: see `bus`.
class remote_calls {
public:
    remote_calls(bus& through, std::ostream& log);
    remote_calls(const remote_calls&) = delete;
    remote_calls& operator=(const remote_calls&) = delete;

    /// Subscribes to the replies; needed once for each kind, before the first call.
    [[nodiscard]] coroscope::coro<> listen(const request_kind& kind);

    /// Publishes the payload and waits for the result. Throws `remote_error`, `bus_lost`, and
    /// `coroscope::timeout_error` with what may be the reason.
    [[nodiscard]] coroscope::coro<json> call(const request_kind& kind, call_id id,
                                             std::string payload, coroscope::duration timeout);

    [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }

private:
    /// A reply, or what has happened instead.
    struct outcome {
        reply answer;
        std::exception_ptr failure;
    };
    using answer = coroscope::future<outcome>;
    using key = std::pair<std::string, call_id>;  ///< with the topic of the reply
    class filed;

    [[nodiscard]] coroscope::coro<json> publish_and_wait(const request_kind& kind, call_id id,
                                                         std::string payload);
    void take_reply(const message& from);
    void fail_all(const std::exception_ptr& why);
    static void finish(answer& whose, outcome with);

    bus& bus_;
    std::ostream& log_;
    std::map<key, answer> pending_;
};

}  // namespace mqtt_rpc
