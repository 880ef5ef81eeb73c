// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"
#include "inbox.hpp"
#include "method.hpp"
#include "payloads.hpp"
#include "remote_calls.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <iosfwd>
#include <map>
#include <string>

namespace mqtt_rpc {

/// Methods that others may call, all at once. What a method throws, and what is wrong with the
/// arguments, is the reply.
class service {
public:
    service(std::string name, bus& through, std::ostream& log);

    void add(std::string function, method m);

    /// From then on no call is missed.
    [[nodiscard]] coroscope::coro<> listen();
    /// Answers calls until it is cancelled or the bus is lost.
    [[nodiscard]] coroscope::coro<> serve();
    /// Tells the registrar of all methods. Throws what `remote_calls::call` throws.
    [[nodiscard]] coroscope::coro<> register_methods(coroscope::duration timeout);

private:
    [[nodiscard]] coroscope::coro<> take_calls(coroscope::task_group& group);
    [[nodiscard]] coroscope::coro<> answer(invocation asked);
    [[nodiscard]] coroscope::coro<json> run(const invocation& asked);

    std::string name_;
    bus& bus_;
    std::ostream& log_;
    std::map<std::string, method> methods_;
    inbox calls_;
    remote_calls registering_;
};

}  // namespace mqtt_rpc
