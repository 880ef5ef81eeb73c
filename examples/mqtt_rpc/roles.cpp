// SPDX-License-Identifier: Apache-2.0
#include "roles.hpp"

#include "caller.hpp"
#include "mqtt_client.hpp"
#include "registrar.hpp"
#include "service.hpp"
#include "test_service.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/exception_group.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <exception>
#include <iostream>
#include <memory>

namespace mqtt_rpc {
namespace {

using coroscope::coro;

coro<std::unique_ptr<mqtt_client>> connect(const settings& o) {
    co_return co_await mqtt_client::connect(o.host, o.port, o.timeout);
}

coro<> play_registrar(const settings& o, coroscope::event& listening) {
    const auto broker = co_await connect(o);
    registrar knows(*broker, std::cerr);
    co_await knows.listen();
    std::cerr << "mqtt_rpc: the registrar is listening" << std::endl;
    listening.set();
    co_await knows.serve();
}

coro<> register_and_serve(coroscope::task_group& group, service& serves, const settings& o) {
    group.create_task(serves.serve(), "serve");
    co_await coroscope::sleep_for(o.register_after);
    co_await serves.register_methods(o.timeout);
    std::cerr << "mqtt_rpc: the service is registered" << std::endl;
}

coro<> play_service(const settings& o, coroscope::event& registrar_listening) {
    const auto broker = co_await connect(o);
    service serves(test_service_name, *broker, std::cerr);
    add_test_function(serves, std::cout);
    co_await serves.listen();
    co_await registrar_listening.wait();
    coroscope::task_group group;
    co_await group.run(register_and_serve(group, serves, o));
}

coro<> play_client(const settings& o) {
    const auto broker = co_await connect(o);
    caller calls(*broker, std::cerr, o.timeout);
    co_await calls.listen();
    std::cerr << "mqtt_rpc: the client waits for " << test_service_name << '.' << test_function_name
              << std::endl;
    const auto signature =
        co_await calls.wait_until_registered(test_service_name, test_function_name);
    std::cerr << "mqtt_rpc: the client calls " << test_function_name << signature << std::endl;
    auto args = json::array({1, 3.4, ""});
    const json result = co_await calls.call(test_service_name, test_function_name, std::move(args));
    std::cout << result.dump() << std::endl;
}

/// When the client is done, so are the others.
coro<> play_all(coroscope::task_group& group, const settings& o, coroscope::event& listening) {
    auto first = group.create_task(play_registrar(o, listening), "registrar");
    auto second = group.create_task(play_service(o, listening), "service");
    co_await listening.wait();
    co_await play_client(o);
    first.cancel();
    second.cancel();
}

coro<> play_chosen(const settings& o) {
    coroscope::event listening;
    if (o.plays == role::all) {
        coroscope::task_group group;
        co_await group.run(play_all(group, o, listening));
    } else if (o.plays == role::registrar) {
        co_await play_registrar(o, listening);
    } else if (o.plays == role::service) {
        listening.set();  // whoever starts this has seen to it
        co_await play_service(o, listening);
    } else {
        co_await play_client(o);
    }
}

/// The first failure in a group, and in groups within it, stands for all.
std::exception_ptr first_of(std::exception_ptr thrown) {
    for (;;) {
        try {
            std::rethrow_exception(thrown);
        } catch (const coroscope::exception_group& group) {
            thrown = group.exceptions().front();
        } catch (...) { return thrown; }
    }
}

}  // namespace

coro<> play(const settings& chosen) {
    std::exception_ptr failure;
    try {
        co_await play_chosen(chosen);
    } catch (const coroscope::exception_group&) { failure = first_of(std::current_exception()); }
    if (failure) { std::rethrow_exception(failure); }
}

}  // namespace mqtt_rpc
