// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"
#include "payloads.hpp"
#include "remote_calls.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstddef>
#include <iosfwd>
#include <string>

namespace mqtt_rpc {

/// Calls methods of services. Its coroutines throw what `remote_calls::call` throws.
///
///     caller client(bus, std::cerr, 10s);
///     co_await client.listen();
///     const auto signature = co_await client.wait_until_registered("TestService", "add");
///     const auto args = json::array({1, 2});
///     const json sum = co_await client.call("TestService", "add", args);
class caller {
public:
    /// `timeout` is for each request.
    caller(bus& through, std::ostream& log, coroscope::duration timeout);

    [[nodiscard]] coroscope::coro<> listen();
    /// Gives the signature, as text for people.
    [[nodiscard]] coroscope::coro<std::string> wait_until_registered(std::string service,
                                                                     std::string function);
    [[nodiscard]] coroscope::coro<json> call(std::string service, std::string function, json args,
                                             json kwargs = json::object());

    /// Requests that wait for their replies.
    [[nodiscard]] std::size_t pending() const noexcept { return requests_.pending(); }

private:
    remote_calls requests_;
    coroscope::duration timeout_;
};

}  // namespace mqtt_rpc
