// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/memory_names.hpp>

#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

int global_counter = 0;
std::array<int, 8> global_table{};

struct account {
    double rate = 0;
    int balance = 0;
};

coro<> add_slowly(int& to) {
    const int old = to;
    co_await sleep_for(1s);
    to = old + 1;
}

coro<> add_to_local() {
    int total = 0;
    co_await gather(add_slowly(total), add_slowly(total));
}

coro<> add_to_parameter(int start) {
    co_await gather(add_slowly(start), add_slowly(start));
}

int* place_of_static = nullptr;

coro<> have_static() {
    static int calls = 0;
    ++calls;
    place_of_static = &calls;
    co_return;
}

/// By a number, since of what lay there before nothing may be left.
[[gnu::noinline]] std::string name_now(std::uintptr_t address) {
    using namespace instrumentation::detail;
    return name_of_memory(place_in_memory(reinterpret_cast<const void*>(address))).text;
}

/// What the only finding calls the variable.
std::string variable_of(raced_loop& r) {
    const auto found = r.races.findings();
    REQUIRE(found.size() == 1);
    for (const auto& item : found[0].evidence) {
        if (item.label == "variable") { return item.text; }
    }
    return "no variable";
}

std::string name_of_raced(int& variable) {
    raced_loop r;
    r.start(add_slowly(variable), "one");
    r.start(add_slowly(variable), "two");
    r.run();
    return variable_of(r);
}

}  // namespace

TEST_CASE("a variable with static storage has its symbol's name") {
    CHECK(name_of_raced(global_counter) == "'(anonymous namespace)::global_counter'");
    CHECK(name_of_raced(global_table[3]) == "'(anonymous namespace)::global_table' + 12");
}

TEST_CASE("one in a coroutine has its name as one in another function has") {
    raced_loop r;
    r.start(have_static(), "body");
    r.run();
    CHECK(name_now(reinterpret_cast<std::uintptr_t>(place_of_static))
          == "'(anonymous namespace)::have_static()::calls'");
}

TEST_CASE("a local variable of a coroutine that was made before a detector came has its name") {
    auto body = add_to_local();
    raced_loop r;
    r.start(std::move(body), "body");
    r.run();
#if !defined(__clang__)
    CHECK(variable_of(r) == "'total' of (anonymous namespace)::add_to_local");
#endif
}

TEST_CASE("a local variable of a coroutine has its name") {
    raced_loop r;
    SECTION("a local") {
        r.start(add_to_local(), "body");
        r.run();
#if defined(__clang__)
        CHECK_THAT(variable_of(r), Contains("of the frame of (anonymous namespace)::add_to_local"));
#else
        CHECK(variable_of(r) == "'total' of (anonymous namespace)::add_to_local");
#endif
    }
    SECTION("a parameter") {
        r.start(add_to_parameter(1), "body");
        r.run();
#if defined(__clang__)
        CHECK_THAT(variable_of(r), Contains("of the frame of"));
#else
        CHECK(variable_of(r) == "'start' of (anonymous namespace)::add_to_parameter");
#endif
    }
}

TEST_CASE("allocated memory is known by where it was allocated, while a detector is attached") {
    raced_loop r;
    constexpr unsigned before = __LINE__;
    const auto made = std::make_unique<account>();
    r.start(add_slowly(made->balance), "one");
    r.start(add_slowly(made->balance), "two");
    r.run();
    const auto name = variable_of(r);
    CHECK_THAT(name, Contains("byte 8 of a block of 16 allocated at "));
    CHECK_THAT(name, Contains("memory_names_test.cpp:" + std::to_string(before + 1) + " in "));
}

TEST_CASE("what was allocated before has no name, nor has what was freed meanwhile") {
    auto early = std::make_unique<int>();
    CHECK(name_of_raced(*early) == "memory allocated where nobody looked");
    std::uintptr_t place = 0;
    {
        const raced_loop r;
        early = std::make_unique<int>();
        place = reinterpret_cast<std::uintptr_t>(early.get());
        CHECK_THAT(name_now(place), Contains("byte 0 of a block of 4"));
    }
    early = nullptr;
    CHECK_THAT(name_now(place), !Contains("block"));
}

TEST_CASE("a local variable of what runs the loop is told from those of coroutines") {
    int on_stack = 0;
    CHECK(name_of_raced(on_stack) == "a local variable on a thread's stack");
}
