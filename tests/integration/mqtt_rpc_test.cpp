// SPDX-License-Identifier: Apache-2.0
// The remote calls of examples/mqtt_rpc, through a broker that is a few lines long.

#include "mqtt_rpc/caller.hpp"
#include "mqtt_rpc/registrar.hpp"
#include "mqtt_rpc/service.hpp"
#include "mqtt_rpc/test_service.hpp"

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_group.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/catch.hpp>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::testkit::background;
using coroscope::testkit::settle;
using coroscope::testkit::this_test;
using mqtt_rpc::json;
using namespace std::chrono_literals;

namespace {

/// What all connections have in common.
struct wire {
    struct subscription {
        const void* owner;
        std::string topic;
        mqtt_rpc::bus::message_handler handler;
    };
    std::vector<subscription> subscriptions;
    std::vector<mqtt_rpc::message> published;
};

class fake_bus final : public mqtt_rpc::bus {
public:
    explicit fake_bus(std::shared_ptr<wire> w) : wire_(std::move(w)) {}
    ~fake_bus() override {
        std::erase_if(wire_->subscriptions, [this](const auto& s) { return s.owner == this; });
    }

    void publish(const std::string& topic, const std::string& payload) override {
        if (lost_) { std::rethrow_exception(lost_); }
        wire_->published.emplace_back(topic, payload);
        auto deliver = [w = wire_, m = wire_->published.back()] {
            for (const auto& each : w->subscriptions) {
                if (each.topic == m.topic) { each.handler(m); }
            }
        };
        this_test().loop().call_soon(std::move(deliver));
    }
    coro<> subscribe(std::string topic, message_handler f) override {
        wire_->subscriptions.push_back({this, std::move(topic), std::move(f)});
        co_return;
    }
    void on_lost(lost_handler f) override { lost_handlers_.push_back(std::move(f)); }
    void lose() {
        lost_ = std::make_exception_ptr(mqtt_rpc::bus_lost("the broker has gone"));
        for (const auto& f : lost_handlers_) {
            f(lost_);
        }
    }

private:
    std::shared_ptr<wire> wire_;
    std::vector<lost_handler> lost_handlers_;
    std::exception_ptr lost_;
};

coro<std::int64_t> fail(std::string how) {
    throw std::runtime_error("failed " + how);
    co_return 0;
}

coro<std::int64_t> take_an_hour() {
    co_await coroscope::sleep_for(1h);
    co_return 1;
}

/// A registrar, a service and a client with a connection each, and one more to disturb them.
struct network {
    network() {
        mqtt_rpc::add_test_function(serves, out);
        serves.add("fail", mqtt_rpc::method({"how"}, std::function(fail)));
        serves.add("take_an_hour", mqtt_rpc::method({}, std::function(take_an_hour)));
    }

    std::shared_ptr<wire> broker = std::make_shared<wire>();
    fake_bus first{broker};
    fake_bus second{broker};
    fake_bus third{broker};
    fake_bus other{broker};
    std::ostringstream log;
    std::ostringstream out;
    mqtt_rpc::registrar knows{first, log};
    mqtt_rpc::service serves{"TestService", second, log};
    mqtt_rpc::caller calls{third, log, 10s};
};
using network_ptr = std::shared_ptr<network>;

coro<> serve_registrar(network_ptr n) {
    co_await n->knows.serve();
}

coro<> serve_service(network_ptr n) {
    co_await n->serves.serve();
}

coro<> register_after(network_ptr n, coroscope::duration delay) {
    co_await coroscope::sleep_for(delay);
    co_await n->serves.register_methods(10s);
}

coro<network_ptr> start_network() {
    auto n = std::make_shared<network>();
    co_await n->knows.listen();
    co_await n->serves.listen();
    co_await n->calls.listen();
    background(serve_registrar(n));
    background(serve_service(n));
    co_return n;
}

coro<std::string> wait_for_test_function(network_ptr n) {
    co_return co_await n->calls.wait_until_registered("TestService", "remote_function");
}

coro<json> call(network_ptr n, std::string function, json args, json kwargs = json::object()) {
    co_return co_await n->calls.call("TestService", std::move(function), std::move(args),
                                     std::move(kwargs));
}

/// What it threw, if that was an `Error`.
template <class Error, class T>
coro<std::string> text_of(coro<T> work) {
    try {
        co_await std::move(work);
    } catch (const Error& e) { co_return e.what(); }
    co_return "nothing was thrown";
}

coro<> check_bad_payload(network_ptr n, std::string topic, std::string payload,
                         std::string reason) {
    n->log.str("");
    n->other.publish(topic, payload);
    co_await settle();
    CO_CHECK(n->log.str() == "mqtt_rpc: ignored a payload on " + topic + ": " + reason + "\n");
}

coro<> check_failure(network_ptr n, std::string function, json args, json kwargs,
                     std::string expected) {
    auto work = call(n, std::move(function), std::move(args), std::move(kwargs));
    const auto text = co_await text_of<mqtt_rpc::remote_error>(std::move(work));
    CO_CHECK(text == "TestService." + expected);
    CO_CHECK(n->calls.pending() == 0);
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

CO_TEST_CASE("a client waits until a method is registered, then calls it", "[mqtt_rpc]") {
    auto n = co_await start_network();
    background(register_after(n, 3s));
    const auto signature = co_await wait_for_test_function(n);
    CO_CHECK(signature == "(i: int, f: float, s: str) -> float");
    CO_CHECK(this_test().clock().elapsed() == 3s);
    const auto args = json::array({1, 3.4, ""});
    const json result = co_await call(n, "remote_function", args);
    CO_CHECK(result == json(3.4));
    CO_CHECK(n->out.str() == "It worked\n");
    CO_CHECK(this_test().clock().elapsed() == 3s);
    co_await settle();
    CO_CHECK(n->broker->published.size() == 10);  // five requests: nobody asks twice
    CO_CHECK(n->calls.pending() == 0);
    CO_CHECK(n->knows.waiting() == 0);
    CO_CHECK(n->log.str().empty());
}

CO_TEST_CASE("a method that is registered already is known at once", "[mqtt_rpc]") {
    auto n = co_await start_network();
    co_await register_after(n, 0s);
    co_await wait_for_test_function(n);
    CO_CHECK(this_test().clock().elapsed() == 0s);
}

CO_TEST_CASE("a client gives up after its timeout, and the registrar later", "[mqtt_rpc]") {
    auto n = co_await start_network();
    const auto text = co_await text_of<coroscope::timeout_error>(wait_for_test_function(n));
    CO_CHECK(text
             == "no reply on get_remote_method/response for TestService.remote_function within "
                "10.0 s; are the registrar and a service that has this method running?");
    CO_CHECK(this_test().clock().elapsed() == 10s);
    CO_CHECK(n->calls.pending() == 0);
    CO_CHECK(n->knows.waiting() == 1);
    co_await coroscope::sleep_for(50s - 1ns);
    CO_CHECK(n->knows.waiting() == 1);
    co_await coroscope::sleep_for(1ns);
    co_await settle();
    CO_CHECK(n->knows.waiting() == 0);
    const auto told = mqtt_rpc::read_reply(n->broker->published.back().payload);
    CO_REQUIRE(told.error.has_value());
    CO_CHECK(*told.error == "TestService.remote_function was not registered within 1 m 00 s");
    CO_CHECK(n->log.str().empty());  // the reply was too late, which is no mistake
}

CO_TEST_CASE("only a reply with uuid, names and topic of a call is its reply", "[mqtt_rpc]") {
    auto n = co_await start_network();
    auto waiting = this_test().loop().create_task(wait_for_test_function(n));
    co_await settle();
    const auto asked = mqtt_rpc::read_question(n->broker->published.back().payload);
    const auto right = mqtt_rpc::get_request.response();
    mqtt_rpc::reply told;
    told.result = "()";
    const auto answer = [&told, n](const std::string& topic) {
        n->other.publish(topic, to_text(told));
    };
    told.id = mqtt_rpc::new_call_id("TestService", "remote_function");
    answer(right);
    told.id = asked.id;
    told.id.service = "AnotherService";
    answer(right);
    told.id = asked.id;
    told.id.function = "another_function";
    answer(right);
    told.id = asked.id;
    answer(mqtt_rpc::call_request.response());
    co_await settle();
    CO_CHECK_FALSE(waiting.done());
    CO_CHECK(n->calls.pending() == 1);
    answer(right);
    answer(right);  // twice is once too often, and ignored as well
    const auto signature = co_await waiting;
    CO_CHECK(signature == "()");
    CO_CHECK(n->calls.pending() == 0);
    CO_CHECK(n->log.str().empty());
}

CO_TEST_CASE("bad payloads are logged, and nothing is lost by them", "[mqtt_rpc]") {
    auto n = co_await start_network();
    auto waiting = this_test().loop().create_task(wait_for_test_function(n));
    co_await settle();
    const std::string id = R"("uuid": "1", "service": "TestService", "function": "f")";
    co_await check_bad_payload(n, "register_remote_method", "\x1b[2J", "it is not JSON (byte 1)");
    co_await check_bad_payload(n, "register_remote_method", "", "it is not JSON (byte 1)");
    co_await check_bad_payload(n, "register_remote_method", "{" + id + "}",
                               "'signature' is missing");
    co_await check_bad_payload(n, "register_remote_method/response", "[]",
                               "it is JSON, but not an object");
    co_await check_bad_payload(n, "get_remote_method", R"({"uuid": 1})", "'uuid' is not a string");
    co_await check_bad_payload(n, "get_remote_method", "1e999",
                               "it has a number that is too large");
    co_await check_bad_payload(n, "get_remote_method/response", "{" + id + "}",
                               "it needs either 'result' or 'error'");
    co_await check_bad_payload(n, "call_remote_method", "{" + id + R"(, "args": {}, "kwargs": {}})",
                               "'args' is not a list");
    co_await check_bad_payload(n, "call_remote_method", "{" + id + R"(, "args": [], "kwargs": []})",
                               "'kwargs' is not an object");
    co_await check_bad_payload(n, "call_remote_method/response",
                               "{" + id + R"(, "result": 1, "error": "and this"})",
                               "it needs either 'result' or 'error'");
    CO_CHECK(n->calls.pending() == 1);
    background(register_after(n, 1s));
    co_await waiting;
    const auto args = json::array({1, 3.4, ""});
    const json result = co_await call(n, "remote_function", args);
    CO_CHECK(result == json(3.4));
}

CO_TEST_CASE("a call that is cancelled leaves the table, whatever comes then", "[mqtt_rpc]") {
    auto n = co_await start_network();
    const auto none = json::array();
    auto calling = this_test().loop().create_task(call(n, "take_an_hour", none));
    co_await settle();
    CO_CHECK(n->calls.pending() == 1);
    const auto asked = mqtt_rpc::read_invocation(n->broker->published.back().payload);
    mqtt_rpc::reply told;
    told.id = asked.id;
    n->other.publish(mqtt_rpc::call_request.response(), to_text(told));
    calling.cancel();  // and the reply comes before it runs
    co_await settle();
    CO_CHECK(calling.cancelled());
    CO_CHECK(n->calls.pending() == 0);
    co_await coroscope::sleep_for(2h);  // the method's own reply comes in vain
    CO_CHECK(n->broker->published.size() == 3);
    CO_CHECK(n->log.str().empty());
}

CO_TEST_CASE("a call ends by its timeout while the method goes on", "[mqtt_rpc]") {
    auto n = co_await start_network();
    const auto none = json::array();
    const auto text = co_await text_of<coroscope::timeout_error>(call(n, "take_an_hour", none));
    CO_CHECK(contains(text, "TestService.take_an_hour within 10.0 s; is the service still"));
    CO_CHECK(n->calls.pending() == 0);
    const auto args = json::array({1, 3.4, ""});
    co_await call(n, "remote_function", args);  // which does not wait for the other
    CO_CHECK(this_test().clock().elapsed() == 10s);
}

CO_TEST_CASE("what is wrong with a call is thrown at the caller", "[mqtt_rpc]") {
    auto n = co_await start_network();
    const auto list = [](const char* text) {
        return json::parse(text);
    };
    const auto object = list;
    const std::string full = "(i: int, f: float, s: str) -> float";
    co_await check_failure(n, "remote_function", list(R"(["1", 3.4, ""])"), object("{}"),
                           "remote_function: argument 'i' is string, not int, for " + full);
    co_await check_failure(n, "remote_function", list(R"([1.5, 3.4, ""])"), object("{}"),
                           "remote_function: argument 'i' is number, not int, for " + full);
    co_await check_failure(n, "remote_function", list(R"([9223372036854775808, 3.4, ""])"),
                           object("{}"),
                           "remote_function: argument 'i' is number, not int, for " + full);
    co_await check_failure(n, "remote_function", list("[1, 3.4]"), object(R"({"s": null})"),
                           "remote_function: argument 's' is null, not str, for " + full);
    co_await check_failure(n, "remote_function", list("[1, 3.4]"), object("{}"),
                           "remote_function: argument 's' is missing for " + full);
    co_await check_failure(n, "remote_function", list("[1, 3.4]"), object(R"({"f": 1, "s": ""})"),
                           "remote_function: argument 'f' is given twice for " + full);
    co_await check_failure(n, "remote_function", list(R"([1, 3.4, ""])"), object(R"({"x": 1})"),
                           "remote_function: there is no argument 'x' in " + full);
    co_await check_failure(n, "remote_function", list(R"([1, 3.4, "", 4])"), object("{}"),
                           "remote_function: there are 4 arguments for " + full);
    co_await check_failure(n, "nothing", list("[]"), object("{}"),
                           "nothing: there is no such method");
    co_await check_failure(n, "fail", list(R"(["\u001b[2J"])"), object("{}"), "fail: failed ?[2J");
    CO_CHECK(n->out.str().empty());
    CO_CHECK(this_test().clock().elapsed() == 0s);
}

CO_TEST_CASE("arguments may be named, and integers are floats, too", "[mqtt_rpc]") {
    auto n = co_await start_network();
    const auto args = json::array({1});
    const auto kwargs = json::parse(R"({"s": "text", "f": 2})");
    const json result = co_await call(n, "remote_function", args, kwargs);
    CO_CHECK(result == json(2.0));
}

CO_TEST_CASE("a service leaves the calls of others alone", "[mqtt_rpc]") {
    auto n = co_await start_network();
    const auto none = json::array();
    auto work = n->calls.call("AnotherService", "remote_function", none);
    const auto text = co_await text_of<coroscope::timeout_error>(std::move(work));
    CO_CHECK(contains(text, "AnotherService.remote_function"));
    CO_CHECK(n->broker->published.size() == 1);
}

CO_TEST_CASE("a lost broker fails all calls, those in flight and those that come", "[mqtt_rpc]") {
    auto n = co_await start_network();
    auto& loop = this_test().loop();
    const auto none = json::array();
    auto asking = loop.create_task(text_of<mqtt_rpc::bus_lost>(wait_for_test_function(n)));
    auto calling = loop.create_task(text_of<mqtt_rpc::bus_lost>(call(n, "take_an_hour", none)));
    co_await settle();
    CO_CHECK(n->calls.pending() == 2);
    n->third.lose();
    const auto first = co_await asking;
    const auto second = co_await calling;
    CO_CHECK(first == "the broker has gone");
    CO_CHECK(second == "the broker has gone");
    CO_CHECK(n->calls.pending() == 0);
    const auto late = co_await text_of<mqtt_rpc::bus_lost>(wait_for_test_function(n));
    CO_CHECK(late == "the broker has gone");
    CO_CHECK(n->calls.pending() == 0);
    CO_CHECK(this_test().clock().elapsed() == 0s);
}

CO_TEST_CASE("a lost broker ends a registrar and a service", "[mqtt_rpc]") {
    auto n = std::make_shared<network>();
    co_await n->knows.listen();
    co_await n->serves.listen();
    auto& loop = this_test().loop();
    using coroscope::exception_group;
    auto first = loop.create_task(text_of<exception_group>(serve_registrar(n)));
    auto second = loop.create_task(text_of<exception_group>(serve_service(n)));
    co_await settle();
    n->first.lose();
    n->second.lose();
    const auto registrar_ended = co_await first;
    const auto service_ended = co_await second;
    CO_CHECK(contains(registrar_ended, "the broker has gone"));
    CO_CHECK(contains(service_ended, "the broker has gone"));
    const auto late = co_await text_of<mqtt_rpc::bus_lost>(register_after(n, 0s));
    CO_CHECK(late == "the broker has gone");
}
