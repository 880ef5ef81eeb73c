// SPDX-License-Identifier: Apache-2.0
#include "finish.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

namespace serving {
namespace {

using coroscope::coro;

coro<> wait_for_handlers(coroscope::server& server) {
    co_await server.wait_closed();
}

}  // namespace

coro<bool> finish(coroscope::server& server, stop_signals& signals, coroscope::duration grace) {
    server.close();
    auto ending = coroscope::get_running_loop().create_task(wait_for_handlers(server), "ending");
    const auto stop_waiting = [](coroscope::task<> whom, coroscope::event& at) -> coro<> {
        co_await at.wait();
        whom.cancel();
    };
    auto impatience = coroscope::get_running_loop().create_task(
        stop_waiting(ending, signals.second()), "second signal");
    bool in_time = true;
    try {
        co_await coroscope::wait_for(ending, grace);
    } catch (const coroscope::timeout_error&) {
        in_time = false;
    } catch (const coroscope::cancelled_error&) {
        if (!signals.second().is_set()) { throw; }
        in_time = false;
    }
    impatience.cancel();
    if (!in_time) {
        server.cancel_connections();
        co_await server.wait_closed();
    }
    co_return in_time;
}

}  // namespace serving
