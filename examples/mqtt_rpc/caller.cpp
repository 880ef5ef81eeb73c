// SPDX-License-Identifier: Apache-2.0
#include "caller.hpp"

#include <utility>

namespace mqtt_rpc {

using coroscope::coro;

caller::caller(bus& through, std::ostream& log, coroscope::duration timeout)
    : requests_(through, log),
      timeout_(timeout) {}

coro<> caller::listen() {
    co_await requests_.listen(get_request);
    co_await requests_.listen(call_request);
}

coro<std::string> caller::wait_until_registered(std::string service, std::string function) {
    question asked;
    asked.id = new_call_id(std::move(service), std::move(function));
    const json signature = co_await requests_.call(get_request, asked.id, to_text(asked), timeout_);
    if (!signature.is_string()) {
        throw remote_error("the registrar's signature of " + asked.id.method() + " is no text");
    }
    co_return signature.get<std::string>();
}

coro<json> caller::call(std::string service, std::string function, json args, json kwargs) {
    invocation asked;
    asked.id = new_call_id(std::move(service), std::move(function));
    asked.args = std::move(args);
    asked.kwargs = std::move(kwargs);
    co_return co_await requests_.call(call_request, asked.id, to_text(asked), timeout_);
}

}  // namespace mqtt_rpc
