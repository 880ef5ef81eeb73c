// SPDX-License-Identifier: Apache-2.0
// What tasks use after it was freed, by others or by themselves.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/detail/memory_names.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/finding_parser.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using Catch::Matchers::Contains;

namespace {

const rule_list nothing;
const rule_list freed_use{"use-after-free"};

coro<> wait_steps(int steps) {
    for (int i = 0; i < steps; ++i) {
        co_await yield_now();
    }
}

coro<> add_later(int* number) {
    co_await wait_steps(2);
    *number += 1;
}

coro<> add_to_shared(std::shared_ptr<int> number) {
    co_await add_later(number.get());
}

template <class Owner>
coro<> reset_later(Owner& owner, int steps) {
    co_await wait_steps(steps);
    owner.reset();
}

/// What is found when the two run at the same time.
rule_list rules_of(raced_loop& r, coro<> one, coro<> other) {
    r.start(std::move(one), "user");
    r.start(std::move(other), "other");
    r.run();
    return r.rules();
}

}  // namespace

TEST_CASE("a block that another task has freed by then is told of, with who did and where") {
    raced_loop r;
    constexpr unsigned before = __LINE__;
    auto number = std::make_unique<int>(1);
    REQUIRE(rules_of(r, add_later(number.get()), reset_later(number, 1)) == freed_use);
    const auto found = r.races.findings()[0];
    INFO(found.message);
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(finding_parser(found).missing().empty());
    CHECK_THAT(found.message, Contains("(other) freed byte 0 of a block of 4 allocated at "));
    CHECK_THAT(found.message,
               Contains("freed_memory_test.cpp:" + std::to_string(before + 1) + " in "));
    CHECK_THAT(found.message, Contains("(user) read it at ") && Contains(" in (anonymous"));
    CHECK_THAT(found.message, Contains("Keep it alive until the other task has ended"));
}

TEST_CASE("a block that is used before it is freed, or that the user owns, is fine") {
    raced_loop r;
    auto number = std::make_unique<int>(1);
    CHECK(rules_of(r, add_later(number.get()), reset_later(number, 4)) == nothing);
    auto owned = std::make_shared<int>(1);
    CHECK(rules_of(r, add_to_shared(owned), reset_later(owned, 1)) == nothing);
}

namespace {

struct node {
    int value = 0;
};

/// Until one lies where the first one lay.
coro<> use_blocks(bool& was_used_again) {
    const void* first = nullptr;
    for (int i = 0; i < 5000 && !was_used_again; ++i) {
        const auto made = std::make_unique<node>();
        made->value += 1;
        if (i % 100 == 0) { co_await yield_now(); }
        was_used_again = made.get() == first;
        if (first == nullptr) { first = made.get(); }
    }
}

}  // namespace

TEST_CASE("memory that is freed rests for a while, and is somebody else's then") {
    raced_loop r;
    bool one = false;
    bool other = false;
    CHECK(rules_of(r, use_blocks(one), use_blocks(other)) == nothing);
    CHECK(one);
    CHECK(other);
}

namespace {

constexpr std::size_t unusual = 1003;  // bytes; what the detector needs itself takes other places

/// After it so many others that it is given back.
coro<> free_many(std::uintptr_t& first) {
    auto* const block = std::malloc(unusual);  // NOLINT(cppcoreguidelines-no-malloc)
    first = reinterpret_cast<std::uintptr_t>(block);
    std::free(block);  // NOLINT(cppcoreguidelines-no-malloc)
    for (int i = 0; i < 400; ++i) {
        const auto other = std::make_unique<int>(i);
        *other += 1;
    }
    co_return;
}

/// A shared library allocates them, of which nobody is told.
coro<> read_what_a_library_puts_at(const std::uintptr_t& place, const std::string& text,
                                   bool& is_there) {
    co_await yield_now();
    std::vector<char*> all;
    char sum = 0;
    while (!is_there && all.size() < 1000) {
        all.push_back(::strdup(text.c_str()));
        is_there = reinterpret_cast<std::uintptr_t>(all.back()) == place;
        sum = static_cast<char>(sum + all.back()[unusual - 2]);
    }
    for (auto* const each : all) {
        std::free(each);  // NOLINT(cppcoreguidelines-no-malloc)
    }
}

coro<> make_smaller(std::size_t& bytes) {
    auto* const block = std::realloc(std::malloc(4000), 100);  // NOLINT(*-no-malloc)
    bytes = instrumentation::detail::place_in_memory(block).bytes;
    std::free(block);  // NOLINT(cppcoreguidelines-no-malloc)
    co_return;
}

}  // namespace

TEST_CASE("of what has been given back, no byte is known as freed") {
    raced_loop r;
    std::uintptr_t place = 0;
    const std::string text(unusual - 1, 'a');
    bool is_there = false;
    CHECK(rules_of(r, free_many(place), read_what_a_library_puts_at(place, text, is_there))
          == nothing);
    CHECK(is_there);
}

// What comes to lie in the rest is not freed with it.
TEST_CASE("a block that was made smaller is as long as it is") {
    raced_loop r;
    std::size_t bytes = 0;
    CHECK(rules_of(r, make_smaller(bytes), wait_steps(1)) == nothing);
    CHECK(bytes == 100);
}

TEST_CASE("what is freed is given back when the detector goes") {
    std::unique_ptr<int> number;
    const void* place = nullptr;
    const auto free_one = [&] {
        raced_loop r;
        number = std::make_unique<int>(1);
        place = number.get();
        return rules_of(r, reset_later(number, 0), wait_steps(1));
    };
    CHECK(free_one() == nothing);
    const auto* const first = place;
    bool is_given_back = false;
    std::vector<std::unique_ptr<int>> all;
    for (int i = 0; i < 100'000 && !is_given_back; ++i) {  // it takes what is free first
        all.push_back(std::make_unique<int>(i));
        is_given_back = all.back().get() == first;
    }
    CHECK(is_given_back);
}

namespace {

coro<> free_later(void* block, int steps) {
    co_await wait_steps(steps);
    ::operator delete(block);
}

}  // namespace

TEST_CASE("a block that is freed twice is told of, and freed once") {
    raced_loop r;
    void* const block = ::operator new(24);
    CHECK(rules_of(r, free_later(block, 2), free_later(block, 1)) == freed_use);
}

// As by a vector that two threads have torn.
TEST_CASE("a block is as long as it was allocated, whatever is said when it is freed") {
    raced_loop r;
    void* const block = ::operator new(24);
    auto free_wrongly = [](void* which) -> coro<> {
        ::operator delete (which, std::size_t{1} << 45U);
        co_return;
    };
    CHECK(rules_of(r, free_wrongly(block), wait_steps(1)) == nothing);
}

namespace {

coro<> sum_up(std::vector<int>& numbers, int& sum) {
    for (const auto& each : numbers) {
        sum += each;
        co_await yield_now();
    }
}

coro<> sum_up_by_index(std::vector<int>& numbers, int& sum) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        sum += numbers[i];
        co_await yield_now();
    }
}

coro<> add_one(std::vector<int>& numbers) {
    co_await yield_now();
    numbers.push_back(1);
}

coro<> visit(std::map<int, int>& numbers, int& visited) {
    for (auto at = numbers.begin(); at != numbers.end(); ++at) {
        ++visited;
        co_await wait_steps(2);
    }
}

coro<> erase(std::map<int, int>& numbers, int key) {
    co_await yield_now();
    numbers.erase(key);
}

}  // namespace

TEST_CASE("who goes through a vector that grows meanwhile reads what was freed") {
    raced_loop r;
    auto numbers = std::make_unique<std::vector<int>>(3);
    int sum = 0;
    SECTION("by its elements") {
        CHECK(rules_of(r, sum_up(*numbers, sum), add_one(*numbers)) == freed_use);
    }
    SECTION("but not by index") {
        CHECK(rules_of(r, sum_up_by_index(*numbers, sum), add_one(*numbers)) == nothing);
    }
}

TEST_CASE("who goes through a map is found where the element is gone that it stands at") {
    raced_loop r;
    std::map<int, int> numbers{{1, 1}, {2, 2}, {3, 3}};
    int visited = 0;
    SECTION("that one") {
        CHECK(rules_of(r, visit(numbers, visited), erase(numbers, 1)) == freed_use);
    }
    SECTION("but not another one") {
        CHECK(rules_of(r, visit(numbers, visited), erase(numbers, 2)) == nothing);
    }
}

namespace {

coro<> leave_behind(task<>& user, bool waits) {
    int local = 3;
    user = get_running_loop().create_task(add_later(&local), "user");
    co_await yield_now();
    if (waits) { co_await user; }
}

coro<> call_and_wait(bool waits) {
    task<> user;
    co_await leave_behind(user, waits);
    co_await user;
}

}  // namespace

TEST_CASE("a local variable of a coroutine that has ended is told of by its name") {
    raced_loop r;
    REQUIRE(rules_of(r, call_and_wait(false), wait_steps(1)) == freed_use);
    const auto found = r.races.findings()[0];
    INFO(found.message);
    CHECK(finding_parser(found).missing().empty());
    CHECK_THAT(found.message, Contains("ended the coroutine of ") && Contains("leave_behind at "));
#if !defined(__clang__)
    CHECK_THAT(found.message, Contains("'local' of "));
#endif
}

TEST_CASE("one of a coroutine that has waited for its user is not") {
    raced_loop r;
    CHECK(rules_of(r, call_and_wait(true), wait_steps(1)) == nothing);
}

namespace {

coro<> lock_later(mutex* lock, int steps) {
    co_await wait_steps(steps);
    const auto held = co_await lock->scoped();
}

coro<> expect_end(event* never) {
    bool was_told = false;
    try {
        co_await never->wait();
    } catch (const invalid_state_error&) { was_told = true; }
    CHECK(was_told);
}

}  // namespace

TEST_CASE("what synchronises is told of where it is used after it was destroyed") {
    raced_loop r;
    auto lock = std::make_unique<mutex>();
    CHECK(rules_of(r, lock_later(lock.get(), 2), reset_later(lock, 1)) == freed_use);
}

TEST_CASE("but not where that has ended a wait") {
    raced_loop r;
    auto never = std::make_unique<event>();
    CHECK(rules_of(r, expect_end(never.get()), reset_later(never, 1)) == nothing);
}
