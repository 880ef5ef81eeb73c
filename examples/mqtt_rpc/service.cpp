// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include <coroscope/runtime/error.hpp>

#include <utility>

namespace mqtt_rpc {

using coroscope::coro;

service::service(std::string name, bus& through, std::ostream& log)
    : name_(std::move(name)),
      bus_(through),
      log_(log),
      calls_(through),
      registering_(through, log) {}

void service::add(std::string function, method m) {
    methods_.insert_or_assign(std::move(function), std::move(m));
}

coro<> service::listen() {
    co_await registering_.listen(register_request);
    co_await calls_.subscribe(call_request.topic);
}

coro<> service::register_methods(coroscope::duration timeout) {
    for (const auto& [function, m] : methods_) {
        registration told;
        told.id = new_call_id(name_, function);
        told.signature = m.signature_text();
        co_await registering_.call(register_request, told.id, to_text(told), timeout);
    }
}

coro<> service::serve() {
    coroscope::task_group answers;
    co_await answers.run(take_calls(answers));
}

/// The calls of other services come on the same topic.
coro<> service::take_calls(coroscope::task_group& group) {
    for (;;) {
        const message m = co_await calls_.next();
        try {
            auto asked = read_invocation(m.payload);
            if (asked.id.service == name_) {
                group.create_task(answer(std::move(asked)), "answer a call");
            }
        } catch (const bad_payload& why) { log_bad_payload(log_, m.topic, why); }
    }
}

coro<> service::answer(invocation asked) {
    reply told;
    told.id = asked.id;
    try {
        told.result = co_await run(asked);
    } catch (const coroscope::cancelled_error&) { throw; } catch (const std::exception& e) {
        told.error = asked.id.method() + ": " + e.what();
    } catch (...) { told.error = asked.id.method() + " threw something unknown"; }
    bus_.publish(call_request.response(), to_text(told));
}

coro<json> service::run(const invocation& asked) {
    const auto found = methods_.find(asked.id.function);
    if (found == methods_.end()) { throw wrong_arguments("there is no such method"); }
    auto work = found->second.call(asked.args, asked.kwargs);
    co_return co_await std::move(work);
}

}  // namespace mqtt_rpc
