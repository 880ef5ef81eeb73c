// SPDX-License-Identifier: Apache-2.0
#include "inbox.hpp"

#include <coroscope/runtime/error.hpp>

namespace mqtt_rpc {

using coroscope::coro;

inbox::inbox(bus& from) : bus_(from) {
    const auto lose = [this](const std::exception_ptr& why) {
        lost_ = why;
        waiting_.shutdown();
    };
    bus_.on_lost(lose);
}

coro<> inbox::subscribe(std::string topic) {
    bus::message_handler put = [this](const message& m) {
        if (!waiting_.is_shut_down()) { waiting_.put_nowait(m); }
    };
    co_await bus_.subscribe(std::move(topic), std::move(put));
}

coro<message> inbox::next() {
    try {
        co_return co_await waiting_.get();
    } catch (const coroscope::queue_shutdown&) { std::rethrow_exception(lost_); }
}

}  // namespace mqtt_rpc
