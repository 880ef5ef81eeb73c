// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_context.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>

#include "runtime/protocol_pair.hpp"
#include "support/catch.hpp"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

using coroscope::describe;
using namespace protocol_pair;

class silent : public coroscope::protocol {};

namespace {

struct unusual {};

}  // namespace

TEST_CASE("an exception is described by what it says, or by its type") {
    CHECK(describe(std::make_exception_ptr(std::runtime_error("says this"))) == "says this");
    CHECK(describe(std::make_exception_ptr(unusual{})).find("unusual") != std::string::npos);
    CHECK(describe(std::make_exception_ptr(5)).find("an exception of type i") == 0);
    CHECK(describe(nullptr) == "no exception");
}

TEST_CASE("a context concerns nothing until it is filled") {
    const coroscope::exception_context context;
    CHECK(context.message.empty());
    CHECK(context.exception == nullptr);
    CHECK(context.task_id == 0);
    CHECK(context.future_id == 0);
    CHECK(context.handle_id == 0);
    CHECK(context.protocol == nullptr);
    CHECK(context.transport == nullptr);
    CHECK(context.socket == -1);
    CHECK(context.created_at.line() == 0);
}

TEST_CASE("a context is written with each fact that it has, and no other") {
    coroscope::exception_context context;
    context.message = "something broke";
    CHECK(to_string(context) == "something broke\n");
    context.exception = std::make_exception_ptr(std::runtime_error("says this"));
    context.task_id = 3;
    context.task_name = "worker";
    context.future_id = 4;
    context.handle_id = 5;
    context.protocol = std::make_shared<silent>();
    context.socket = 6;
    CHECK(to_string(context)
          == "something broke\n  task: 3 (worker)\n  future: 4\n  handle: 5\n"
             "  protocol: silent\n  socket: descriptor 6\n  exception: says this\n");
}

TEST_CASE("the default handler is told which transport and protocol failed", "[io]") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto t = co_await talk();
        t.protocol->on_data = [] {
            throw std::runtime_error("says this");
        };
        t.peer.write("x");
        co_await until_lost(t.protocol);
        REQUIRE(told.all.size() == 1);
        const auto text = to_string(told.all.front());
        CHECK(contains(text, "  protocol: protocol_pair::noting\n"));
        CHECK(contains(text, "  transport: " + t.connection->description() + '\n'));
    }());
}

TEST_CASE("a callback and a future are named by their numbers") {
    coroscope::run([]() -> coro<> {
        const reports told;
        auto& loop = coroscope::get_running_loop();
        auto called = loop.call_soon([] { throw std::runtime_error("says this"); });
        co_await coroscope::yield_now();
        {
            auto lost = loop.create_future<int>();
            lost.set_exception(std::make_exception_ptr(std::runtime_error("never retrieved")));
        }
        REQUIRE(told.all.size() == 2);
        CHECK(contains(to_string(told.all[0]), "  handle: " + std::to_string(called.id()) + '\n'));
        CHECK(told.all[1].future_id != 0);
        CHECK(contains(to_string(told.all[1]), "  future: "));
    }());
}
