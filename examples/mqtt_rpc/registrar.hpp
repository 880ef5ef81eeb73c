// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus.hpp"
#include "inbox.hpp"
#include "payloads.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>

namespace mqtt_rpc {

/// Knows which methods there are. Who asks for one that is not registered yet gets the answer when
/// it is, or an exception after `patience`; nobody has to ask twice.
class registrar {
public:
    registrar(bus& through, std::ostream& log,
              coroscope::duration patience = std::chrono::minutes(1));

    /// From then on no request is missed.
    [[nodiscard]] coroscope::coro<> listen();
    /// Answers requests until it is cancelled or the bus is lost.
    [[nodiscard]] coroscope::coro<> serve();

    /// Questions that cannot be answered yet.
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

private:
    using method_name = std::pair<std::string, std::string>;  ///< service, function

    [[nodiscard]] coroscope::coro<> take_requests(coroscope::task_group& group);
    void take(const message& request, coroscope::task_group& group);
    [[nodiscard]] coroscope::coro<> answer(question asked);
    [[nodiscard]] coroscope::coro<std::string> signature_of(method_name which);

    bus& bus_;
    std::ostream& log_;
    coroscope::duration patience_;
    inbox requests_;
    std::map<method_name, std::string> signatures_;
    coroscope::event registered_;  ///< set for a moment, for those who wait then
    std::size_t waiting_ = 0;
};

}  // namespace mqtt_rpc
