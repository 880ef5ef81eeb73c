// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exit_stack.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::exit_stack;
using namespace std::chrono_literals;

namespace {

using journal = std::vector<std::string>;

/// Takes a second to release, and notes what it is told.
struct resource {
    std::string name;
    journal& notes;
    bool fails = false;

    resource(std::string n, journal& l, bool f = false) : name(std::move(n)), notes(l), fails(f) {}
    coro<std::string> enter() { co_return "value of " + name; }
    coro<> exit(std::exception_ptr error) {
        co_await coroscope::sleep_for(1s);
        notes.push_back(name + (error != nullptr ? " told " + coroscope::describe(error) : ""));
        if (fails) { throw std::runtime_error(name + " failed"); }
    }
};

coro<std::string> enter_three(exit_stack& stack, journal& l, bool second_fails, bool body_fails) {
    auto a = co_await stack.enter(resource("a", l));
    auto b = co_await stack.enter(resource("b", l, second_fails));
    auto c = co_await stack.enter(resource("c", l));
    co_await coroscope::sleep_for(1s);
    if (body_fails) { throw std::runtime_error("body"); }
    co_return a + ", " + b + ", " + c;
}

coro<std::string> use_three(journal& l, bool second_fails, bool body_fails) {
    exit_stack stack;
    auto text = co_await stack.run(enter_three(stack, l, second_fails, body_fails));
    co_return text + (stack.size() == 0 ? "" : " and some left");
}

}  // namespace

TEST_CASE("an exit_stack releases in reverse order, one after the other", "[waiting]") {
    virtual_loop v;
    journal l;
    CHECK(v.loop.run_until_complete(use_three(l, false, false))
          == "value of a, value of b, value of c");
    CHECK(l == journal{"c", "b", "a"});
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("each release of an exit_stack is told what is being thrown", "[waiting]") {
    virtual_loop v;
    journal l;
    CHECK_THROWS_WITH(v.loop.run_until_complete(use_three(l, false, true)), "body");
    CHECK(l == journal{"c told body", "b told body", "a told body"});
    l.clear();
    CHECK_THROWS_WITH(v.loop.run_until_complete(use_three(l, true, true)), "b failed");
    CHECK(l == journal{"c told body", "b told body", "a told b failed"});
    l.clear();
    CHECK_THROWS_WITH(v.loop.run_until_complete(use_three(l, true, false)), "b failed");
    CHECK(l == journal{"c", "b", "a told b failed"});
}

TEST_CASE("a cancellation during a release is told to the next and passed on", "[waiting]") {
    virtual_loop v;
    journal l;
    auto t = v.loop.create_task(use_three(l, false, false));
    v.loop.call_later(2500ms, [&] { t.cancel("stop"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "stop");
    CHECK(t.cancelled());
    CHECK(l == journal{"c", "b", "a told stop"});
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("if a later resource cannot be entered the earlier ones are released", "[waiting]") {
    virtual_loop v;
    struct locked {
        coro<> enter() {
            co_await coroscope::yield_now();
            throw std::runtime_error("locked");
        }
        coro<> exit(std::exception_ptr) { co_return; }
    };
    auto body = [](exit_stack& stack, journal& l) -> coro<> {
        co_await stack.enter(resource("a", l));
        locked door;
        co_await stack.enter(door);
    };
    auto use = [](auto b, journal& l) -> coro<> {
        exit_stack stack;
        co_await stack.run(b(stack, l));
    };
    journal l;
    CHECK_THROWS_WITH(v.loop.run_until_complete(use(body, l)), "locked");
    CHECK(l == journal{"a told locked"});
}

TEST_CASE("an exit_stack takes releases and callbacks, plain or coroutines", "[waiting]") {
    virtual_loop v;
    auto use = [](journal& l) -> coro<> {
        exit_stack stack;
        stack.callback([&l] { l.push_back("plain"); });
        auto slow = [](journal& to) -> coro<> {
            co_await coroscope::sleep_for(1s);
            to.push_back("coroutine");
        };
        stack.callback([&l, slow] { return slow(l); });
        auto told = [](journal& to, std::exception_ptr error) -> coro<> {
            to.push_back(error == nullptr ? "no error" : "error");
            co_return;
        };
        stack.push([&l, told](std::exception_ptr error) { return told(l, error); });
        co_await stack.close();
        co_await stack.close();  // nothing is left
    };
    journal l;
    v.loop.run_until_complete(use(l));
    CHECK(l == journal{"no error", "coroutine", "plain"});
}

TEST_CASE("pop_all hands what an exit_stack holds to another", "[waiting]") {
    virtual_loop v;
    auto acquire = [](exit_stack& stack, journal& l) -> coro<exit_stack> {
        co_await stack.enter(resource("a", l));
        co_await stack.enter(resource("b", l));
        co_return stack.pop_all();
    };
    auto use = [](auto get, journal& l) -> coro<> {
        exit_stack stack;
        auto kept = co_await stack.run(get(stack, l));
        l.push_back("kept " + std::to_string(kept.size()));
        co_await kept.close();
    };
    journal l;
    v.loop.run_until_complete(use(acquire, l));
    CHECK(l == journal{"kept 2", "b", "a"});
}

TEST_CASE("an exit_stack goes with a loop that closes, without releases", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    journal l;
    auto t = v->loop.create_task(use_three(l, false, false));
    v->loop.call_later(500ms, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
    CHECK(l.empty());
}
