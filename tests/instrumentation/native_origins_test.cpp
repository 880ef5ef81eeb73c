// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/native_origins.hpp>

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ucontext.h>

using namespace coroscope;
using coroscope::instrumentation::native_origin_options;
using coroscope::instrumentation::native_origins;

namespace native_origins_test {

coro<> wait_for_event(event& e) {
    co_await e.wait();
}

/// Keeps a function's frame on the stack during its last call.
[[gnu::always_inline]] inline void after_the_call() {
    asm volatile("" ::: "memory");
}

[[gnu::noinline]] task<> start_work(loop& on, event& e) {
    auto made = on.create_task(wait_for_event(e));
    after_the_call();
    return made;
}

[[gnu::noinline]] task<> start_for_client(loop& on, event& e) {
    auto made = start_work(on, e);
    after_the_call();
    return made;
}

[[gnu::noinline]] task<> start_for_timer(loop& on, event& e) {
    auto made = start_work(on, e);
    after_the_call();
    return made;
}

/// The same calls, that much lower on the stack.
[[gnu::noinline]] task<> start_lower(loop& on, event& e, std::size_t bytes) {
    auto* const room = static_cast<volatile char*>(__builtin_alloca(bytes));
    room[0] = 'x';
    auto made = start_work(on, e);
    after_the_call();
    return made;
}

coro<> serve(loop& on, event& e, std::vector<task<>>& started, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        started.push_back(start_for_client(on, e));
    }
    co_return;
}

coro<> serve_in_turn(loop& on, event& e, std::vector<task<>>& started, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        started.push_back(i % 2 == 0 ? start_for_client(on, e) : start_for_timer(on, e));
    }
    co_return;
}

coro<> finish(event& e, std::vector<task<>>& started) {
    e.set();
    for (auto& each : started) {
        co_await each;
    }
}

}  // namespace native_origins_test

namespace {

using namespace native_origins_test;

/// A loop whose tasks' native origins are kept, and the tasks that wait in it.
struct origins_of_a_loop {
    explicit origins_of_a_loop(native_origin_options options = {}) : origins(options) {
        origins.attach_to(v.loop);
    }
    origins_of_a_loop(const origins_of_a_loop&) = delete;
    origins_of_a_loop& operator=(const origins_of_a_loop&) = delete;
    ~origins_of_a_loop() { end_all(); }

    void run(coro<> work) { v.loop.run_until_complete(v.loop.create_task(std::move(work))); }
    void end_all() {
        run(finish(e, started));
        started.clear();
        e.clear();
    }
    [[nodiscard]] std::optional<report::stack> stack_of(const task<>& of) const {
        return origins.stack_of(v.loop.id(), of.id());
    }

    native_origins origins;
    virtual_loop v;
    event e;
    std::vector<task<>> started;
};

/// Names without those of expanded calls.
std::vector<std::string> functions_of(const std::optional<report::stack>& stack) {
    std::vector<std::string> names;
    if (!stack) { return names; }
    for (const auto& frame : stack->frames) {
        if (!frame.inlined) { names.push_back(frame.function); }
    }
    return names;
}

std::vector<std::string> first_functions_of(const std::optional<report::stack>& stack,
                                            std::size_t count) {
    auto names = functions_of(stack);
    names.resize(std::min(names.size(), count));
    return names;
}

#if !defined(COROSCOPE_TEST_THREAD_SANITIZER)
ucontext_t fibers_home;
ucontext_t fiber;
origins_of_a_loop* on_fiber = nullptr;

void start_three() {
    for (int i = 0; i < 3; ++i) {
        on_fiber->started.push_back(start_for_client(on_fiber->v.loop, on_fiber->e));
    }
}
#endif

bool has_names() {
    if (COROSCOPE_TEST_NATIVE_STACKS != 0) { return true; }
    WARN("skipped: this build names no functions");
    return false;
}

}  // namespace

TEST_CASE("the plain functions between a coroutine and create_task are named, innermost first") {
    if (!has_names()) { return; }
    origins_of_a_loop o;
    o.run(serve(o.v.loop, o.e, o.started, 1));
    const auto stack = o.stack_of(o.started.front());
    REQUIRE(stack.has_value());
    CHECK(first_functions_of(stack, 3)
          == std::vector<std::string>{"native_origins_test::start_work",
                                      "native_origins_test::start_for_client",
                                      "native_origins_test::serve"});
    CHECK(stack->frames.front().file.ends_with("native_origins_test.cpp"));
    CHECK(stack->frames.front().line > 0);
}

TEST_CASE("a task that is created outside of the run has an origin, too") {
    origins_of_a_loop o;
    o.started.push_back(start_for_timer(o.v.loop, o.e));
    const auto stack = o.stack_of(o.started.front());
    REQUIRE(stack.has_value());
    CHECK(functions_of(stack).size() >= 3);
    if (!has_names()) { return; }
    CHECK(first_functions_of(stack, 2)
          == std::vector<std::string>{"native_origins_test::start_work",
                                      "native_origins_test::start_for_timer"});
}

TEST_CASE("the origin of a task that has ended is forgotten") {
    origins_of_a_loop o;
    o.run(serve(o.v.loop, o.e, o.started, 3));
    CHECK(o.origins.tasks() == 3);
    CHECK(o.origins.stacks() == 1);
    const auto kept = o.started.front();
    REQUIRE(o.stack_of(kept).has_value());
    o.end_all();
    CHECK_FALSE(o.stack_of(kept).has_value());
    CHECK(o.origins.tasks() == 0);
    CHECK(o.origins.stacks() == 0);
}

TEST_CASE("a stack that is seen again is kept once, and recognised without being unwound") {
    origins_of_a_loop o;
    o.run(serve(o.v.loop, o.e, o.started, 100));
    CHECK(o.origins.tasks() == 100);
    CHECK(o.origins.stacks() == 1);
    CHECK(o.origins.unwound() == 2);  // the coroutine's own task is the other
    CHECK(o.stack_of(o.started.front()) == o.stack_of(o.started.back()));
}

TEST_CASE(
    "the same calls elsewhere on the thread's stack are unwound, and kept once all the same") {
    origins_of_a_loop o;
    for (const std::size_t bytes : {64U, 4096U, 64U, 4096U}) {
        o.started.push_back(start_lower(o.v.loop, o.e, bytes));
    }
    CHECK(o.origins.tasks() == 4);
    CHECK(o.origins.stacks() == 1);
    CHECK(o.origins.unwound() == 2);
}

#if !defined(COROSCOPE_TEST_THREAD_SANITIZER)  // which has to be told of fibers
TEST_CASE("on a stack that is not the thread's own, all are unwound, and told as others are") {
    origins_of_a_loop o;
    std::vector<char> memory(std::size_t{256} * 1024);
    on_fiber = &o;
    ::getcontext(&fiber);
    fiber.uc_stack.ss_sp = memory.data();
    fiber.uc_stack.ss_size = memory.size();
    fiber.uc_link = &fibers_home;
    ::makecontext(&fiber, start_three, 0);
    ::swapcontext(&fibers_home, &fiber);
    CHECK(o.origins.stacks() == 1);
    CHECK(o.origins.unwound() == 3);
    if (!has_names()) { return; }
    CHECK(first_functions_of(o.stack_of(o.started.back()), 2)
          == std::vector<std::string>{"native_origins_test::start_work",
                                      "native_origins_test::start_for_client"});
}
#endif

TEST_CASE("stacks that differ in one caller only are told apart") {
    origins_of_a_loop o;
    o.run(serve_in_turn(o.v.loop, o.e, o.started, 100));
    CHECK(o.origins.stacks() == 2);
    CHECK(o.origins.unwound() <= 3);
    if (!has_names()) { return; }
    for (std::size_t i = 0; i < o.started.size(); ++i) {
        const auto* const caller = i % 2 == 0 ? "native_origins_test::start_for_client"
                                              : "native_origins_test::start_for_timer";
        REQUIRE(functions_of(o.stack_of(o.started[i])).at(1) == caller);
    }
}

TEST_CASE("no more stacks are kept than the option says, and what is dropped is counted") {
    native_origin_options options;
    options.stacks = 2;
    origins_of_a_loop o(options);
    // Whose creator runs, waits or has ended makes no difference: these stay.
    o.started.push_back(start_for_client(o.v.loop, o.e));
    o.started.push_back(start_for_timer(o.v.loop, o.e));
    CHECK(o.origins.dropped() == 0);
    o.started.push_back(start_work(o.v.loop, o.e));
    CHECK(o.origins.dropped() == 1);
    CHECK(o.origins.stacks() == 2);
    CHECK(o.origins.tasks() == 2);
    CHECK(o.stack_of(o.started[1]).has_value());
    CHECK_FALSE(o.stack_of(o.started[2]).has_value());
}

TEST_CASE("room that nobody uses any longer is used again, for another stack") {
    native_origin_options options;
    options.stacks = 1;
    origins_of_a_loop o(options);
    for (int round = 0; round < 3; ++round) {
        o.run(serve_in_turn(o.v.loop, o.e, o.started, 1));
        o.end_all();
        o.started.push_back(start_for_timer(o.v.loop, o.e));
        const auto stack = o.stack_of(o.started.front());
        REQUIRE(stack.has_value());
        if (has_names()) {
            CHECK(functions_of(stack).at(1) == "native_origins_test::start_for_timer");
        }
        o.end_all();
    }
}

TEST_CASE("an origin has as many frames as the option says, and says that there are more") {
    native_origin_options options;
    options.frames = 2;
    origins_of_a_loop o(options);
    o.run(serve(o.v.loop, o.e, o.started, 1));
    const auto stack = o.stack_of(o.started.front());
    REQUIRE(stack.has_value());
    CHECK(functions_of(stack).size() == 2);
    CHECK(stack->truncated);
}

TEST_CASE("tasks of other loops, and those created before it was attached, have no origin") {
    origins_of_a_loop o;
    o.started.push_back(start_for_client(o.v.loop, o.e));
    CHECK_FALSE(o.origins.stack_of(o.v.loop.id() + 1, o.started.front().id()).has_value());
    native_origins late;
    late.attach_to(o.v.loop);
    CHECK_FALSE(late.stack_of(o.v.loop.id(), o.started.front().id()).has_value());
    o.end_all();
    o.v.loop.remove_observer(late);
}

TEST_CASE("native origins belong to one loop, and take sensible options only") {
    origins_of_a_loop o;
    CHECK_THROWS_AS(o.origins.attach_to(o.v.loop), std::logic_error);
    native_origin_options options;
    options.frames = 0;
    CHECK_THROWS_AS(native_origins(options), std::invalid_argument);
    options.frames = 65;
    CHECK_THROWS_AS(native_origins(options), std::invalid_argument);
    options = {};
    options.stacks = 0;
    CHECK_THROWS_AS(native_origins(options), std::invalid_argument);
}
