// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/race_hooks.hpp>

#include "instrumentation/race_hooks/seen_accesses.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <variant>

using coroscope::coro;
using coroscope::yield_now;
using lines = std::vector<unsigned>;

namespace {

constexpr std::string_view here = "race_hooks_test.cpp";

constexpr unsigned body_of_add = __LINE__;
coro<> add(std::map<std::string, int>& db, int more) {
    const int old = db["x"];
    co_await yield_now();
    db["x"] = old + more;
}

}  // namespace

TEST_CASE("an update across a suspension is seen at the lines that read and write") {
    seen_accesses seen;
    std::map<std::string, int> db{{"x", 1}};
    run_two([&db] { return add(db, 2); });
    const auto value = seen.of(&db["x"], sizeof(int));
    REQUIRE(value.size() == 4);
    CHECK_FALSE(value[0].is_write());
    CHECK_FALSE(value[1].is_write());
    CHECK(value[2].is_write());
    CHECK(value[3].is_write());
    CHECK(value[0].task != value[1].task);
    CHECK(value[0].task == value[2].task);
    for (const auto& each : value) {
        CHECK(each.bytes == sizeof(int));
        CHECK(line_in(here, each) == body_of_add + (each.is_write() ? 4 : 2));
    }
}

namespace {

constexpr unsigned bodies_of_changes = __LINE__;
coro<> change(std::vector<int>& v) {
    v.at(1) += 1;
    co_await yield_now();
    v.push_back(1);
}
coro<> change(std::string& s) {
    s += "more than fits into a string without an allocation";
    co_await yield_now();
    s[3] = 'x';
}
coro<> change(std::shared_ptr<int>& p) {
    *p += 1;
    co_await yield_now();
    p = std::make_shared<int>(2);
}
coro<> change(std::optional<int>& o) {
    o = 1;
    co_await yield_now();
    o.reset();
}
coro<> change(std::variant<int, std::string>& v) {
    v = 1;
    co_await yield_now();
    v = "text";
}
coro<> change(std::unordered_map<int, int>& m) {
    m[1] = 2;
    co_await yield_now();
    m.erase(1);
}
coro<> change(std::unique_ptr<int>& p) {
    *p += 1;
    co_await yield_now();
    p = std::make_unique<int>(1);
}

/// Both lines of the body that changes it.
template <class T>
[[nodiscard]] bool is_followed_into(T shared, unsigned index) {
    seen_accesses seen;
    run_two([&shared] { return change(shared); });
    const auto found = seen.lines_of_conflicts(here);
    const auto first = bodies_of_changes + 5 * index + 2;
    return std::count(found.begin(), found.end(), first) == 1
           && std::count(found.begin(), found.end(), first + 2) == 1;
}

}  // namespace

TEST_CASE("what tasks share is followed into the standard library's types") {
    CHECK(is_followed_into(std::vector<int>{1, 2}, 0));
    CHECK(is_followed_into(std::string("abcd"), 1));
    CHECK(is_followed_into(std::make_shared<int>(1), 2));
    CHECK(is_followed_into(std::optional<int>(), 3));
    CHECK(is_followed_into(std::variant<int, std::string>(), 4));
    CHECK(is_followed_into(std::unordered_map<int, int>(), 5));
    CHECK(is_followed_into(std::make_unique<int>(1), 6));
}

namespace {

constexpr unsigned body_of_increment = __LINE__;
coro<> increment(int& counter) {
    const int old = counter;
    co_await yield_now();
    counter = old + 1;
}

coro<> increment_local(const int*& place) {
    int counter = 0;
    place = &counter;
    auto first = coroscope::get_running_loop().create_task(increment(counter));
    auto second = coroscope::get_running_loop().create_task(increment(counter));
    co_await first;
    co_await second;
}

}  // namespace

TEST_CASE("a local of a coroutine that tasks refer to is seen") {
    seen_accesses seen;
    coroscope::loop loop;
    const int* counter = nullptr;
    auto body = loop.create_task(increment_local(counter));
    loop.run_until_complete(body);
    CHECK(lines_of_conflicts(seen.of(counter, sizeof(int)), here)
          == lines{body_of_increment + 2, body_of_increment + 4, body_of_increment + 8});
}

TEST_CASE("a local of who runs the loop is seen") {
    int counter = 0;
    seen_accesses seen;
    run_two([&counter] { return increment(counter); });
    CHECK(seen.lines_of_conflicts(here) == lines{body_of_increment + 2, body_of_increment + 4});
}

namespace {

constexpr unsigned line_of_fill = __LINE__ + 3;
[[gnu::noinline]] void fill(int* values, int count) {
    for (int i = 0; i < count; ++i) {
        values[i] = i;
    }
}
[[gnu::noinline]] int sum_of_local() {
    int values[8];  // NOLINT(modernize-avoid-c-arrays)
    fill(values, 8);
    return values[0] + values[7];
}
coro<> use_stack(int& result) {
    result += sum_of_local();
    co_await yield_now();
    result += sum_of_local();
}

}  // namespace

TEST_CASE("the stack of a step itself is nobody else's") {
    seen_accesses seen;
    auto result = std::make_unique<int>(0);
    run_two([&result] { return use_stack(*result); });
    CHECK(seen.of(result.get(), sizeof(int)).size() == 8);
    CHECK(std::none_of(seen.all.begin(), seen.all.end(),
                       [](const auto& each) { return line_in(here, each) == line_of_fill; }));
}

namespace {

constexpr unsigned body_of_twice = __LINE__;
coro<> twice(int& a, int& b) {
    a += b;
    a += b;
    co_await yield_now();
    a += b;
}

}  // namespace

TEST_CASE("what a step does again is told once, and what the next step does is told again") {
    auto a = std::make_unique<int>(0);
    auto b = std::make_unique<int>(0);
    seen_accesses seen;
    coroscope::loop loop;
    auto task = loop.create_task(twice(*a, *b));
    loop.run_until_complete(task);
    CHECK(seen.of(a.get(), sizeof(int)).size() == 4);
    const auto reads = seen.of(b.get(), sizeof(int));
    REQUIRE(reads.size() == 2);
    CHECK(line_in(here, reads[0]) == body_of_twice + 2);
    CHECK(line_in(here, reads[1]) == body_of_twice + 5);
}

namespace {

[[gnu::always_inline]] inline void innermost(int& value) {
    value += 1;
}
[[gnu::always_inline]] inline void middle(int& value) {
    innermost(value);
}
[[gnu::noinline]] void outermost(int& value) {
    middle(value);
}

}  // namespace

TEST_CASE("all calls that were expanded around an access are named") {
    auto value = std::make_unique<int>(0);
    seen_accesses seen;
    coroscope::loop loop;
    loop.call_soon([&] {
        outermost(*value);
        loop.stop();
    });
    loop.run_forever();
    REQUIRE_FALSE(seen.of(value.get()).empty());
    const auto frames = frames_of(seen.of(value.get()).front());
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].function.ends_with("innermost"));
    CHECK(frames[1].function.ends_with("middle"));
    CHECK(frames[2].function.ends_with("outermost"));
    CHECK(frames[0].line < frames[1].line);
    CHECK(frames[1].line < frames[2].line);
}

TEST_CASE("the steps of callbacks are seen, and what runs between steps is not") {
    auto value = std::make_unique<int>(0);
    seen_accesses seen;
    coroscope::loop loop;
    loop.call_soon([&] {
        *value += 1;
        boost::asio::post(loop.io_context(), [&] {
            *value += 1;
            loop.stop();
        });
    });
    loop.run_forever();
    CHECK(*value == 2);
    CHECK(seen.of(value.get(), sizeof(int)).size() == 2);  // a read and a write
}

TEST_CASE("nothing is kept where nobody listens") {
    auto value = std::make_unique<int>(0);
    run_two([&value] { return increment(*value); });
    seen_accesses seen;
    *value += 1;
    CHECK(seen.all.empty());
    CHECK(*value == 2);
}

namespace {

coro<> work_with_everything(coroscope::queue<int>& numbers, coroscope::mutex& lock) {
    for (int i = 0; i < 3; ++i) {
        auto held = co_await lock.scoped();
        co_await coroscope::sleep_for(std::chrono::microseconds(1));
        co_await numbers.put(i);
        held.unlock();
        co_await numbers.get();
        boost::asio::steady_timer timer(coroscope::get_running_loop().io_context());
        timer.expires_after(std::chrono::microseconds(1));
        co_await timer.async_wait(coroscope::use_coro);
    }
}

}  // namespace

TEST_CASE("our own headers and Asio are left out") {
    seen_accesses seen;
    coroscope::queue<int> numbers;
    coroscope::mutex lock;
    run_two([&] { return work_with_everything(numbers, lock); });
    std::set<std::string> strangers;
    for (const auto& each : seen.all) {
        if (!is_in(here, each)) { strangers.insert(place_of(each)); }
    }
    CHECK(strangers == std::set<std::string>());
    CHECK(seen.lines_of_conflicts(here).empty());
}

TEST_CASE("what Asio does for its caller is left out as well") {
    coroscope::loop loop;
    boost::asio::steady_timer timer(loop.io_context());
    seen_accesses seen;
    loop.call_soon([&] {
        timer.expires_after(std::chrono::hours(1));
        loop.stop();
    });
    loop.run_forever();
    CHECK(seen.of(&timer, sizeof timer).empty());
}

namespace {

struct node {
    int value;
    std::array<char, 500> more;  // nothing else asks for such blocks
};
constexpr unsigned line_of_touch = __LINE__ + 2;
[[gnu::noinline]] void touch(int& value) {
    value += 1;
}
coro<const void*> use_memory() {
    auto mine = std::make_unique<node>();
    touch(mine->value);
    co_return mine.get();
}
coro<const void*> use_frame() {
    std::array<int, 40> local{};
    co_await yield_now();
    touch(local[7]);
    co_return &local[7];
}
coro<> remember(coro<const void*> work, std::vector<const void*>& places) {
    places.push_back(co_await std::move(work));
}

void check_reuse(coro<const void*> (*use)()) {
    seen_accesses seen;
    coroscope::loop loop;
    std::vector<const void*> places;
    constexpr std::size_t most_uses = 500;  // a frame's memory rests for a while
    places.reserve(most_uses);
    do {
        auto task = loop.create_task(remember(use(), places));
        loop.run_until_complete(task);
    } while (places.size() < most_uses && (places.size() < 2 || places[0] != places.back()));
    CHECK(places[0] == places.back());
    CHECK_FALSE(seen.of(places[0], sizeof(int)).empty());
    const auto alive = std::count_if(seen.alive.begin(), seen.alive.end(), [&](const auto& each) {
        return each.overlaps(reinterpret_cast<std::uintptr_t>(places[0]), sizeof(int));
    });
    CHECK(alive == 0);
}

}  // namespace

TEST_CASE("memory that is freed and used again connects nobody") {
    check_reuse(use_memory);
}
TEST_CASE("memory that is freed and used again in one step is told of again") {
    seen_accesses seen;
    coroscope::loop loop;
    std::vector<const void*> places;
    places.reserve(2);
    loop.call_soon([&] {
        for (int i = 0; i < 2; ++i) {
            auto mine = std::make_unique<node>();
            touch(mine->value);
            places.push_back(mine.get());
        }
        loop.stop();
    });
    loop.run_forever();
    REQUIRE(places[0] == places[1]);
    const auto found = seen.of(places[0], sizeof(int));
    const auto reads = std::count_if(found.begin(), found.end(), [](const auto& each) {
        return !each.is_write() && line_in(here, each) == line_of_touch;
    });
    CHECK(reads == 2);
}
TEST_CASE("the memory of coroutines' frames connects nobody who gets it later") {
    check_reuse(use_frame);
}

namespace {

struct pair_of_texts {
    char first[40];   // NOLINT(modernize-avoid-c-arrays)
    char second[40];  // NOLINT(modernize-avoid-c-arrays)
};
constexpr unsigned body_of_copy = __LINE__;
void copy(pair_of_texts& to, pair_of_texts& from, const char* text) {
    std::memcpy(to.first, from.first, sizeof to.first);
    to = from;
    std::strcpy(from.second, text);
    std::memset(from.first, 'x', sizeof from.first);
}

}  // namespace

TEST_CASE("blocks of memory that the C library copies and fills are seen") {
    const auto to = std::make_unique<pair_of_texts>();
    const auto from = std::make_unique<pair_of_texts>();
    seen_accesses seen;
    coroscope::loop loop;
    loop.call_soon([&] {
        copy(*to, *from, "a text");
        loop.stop();
    });
    loop.run_forever();
    const auto was_seen = [&](const void* at, coroscope::detail::access_kind kind, unsigned line) {
        const auto found = seen.of(at);
        return std::any_of(found.begin(), found.end(), [&](const auto& each) {
            return each.kind == kind && line_in(here, each) == body_of_copy + line;
        });
    };
    using enum coroscope::detail::access_kind;
    CHECK(was_seen(&to->first, write, 2));
    CHECK(was_seen(&from->first, read, 2));
    CHECK(was_seen(&to->second[39], write, 3));
    CHECK(was_seen(&from->second[39], read, 3));
    CHECK(was_seen(&from->second[6], write, 4));
    CHECK(was_seen(&from->first[39], write, 5));
}

namespace {

void throw_from_below(int depth) {
    const auto text = std::to_string(depth);
    if (depth == 0) { throw std::runtime_error(text); }
    throw_from_below(depth - 1);
}
constexpr unsigned body_of_catching = __LINE__;
coro<> catching(std::map<int, int>& shared) {
    for (int i = 0; i < 3; ++i) {
        try {
            throw_from_below(5);
        } catch (const std::runtime_error&) {}
        shared[i] += 1;
    }
    co_await yield_now();
}

}  // namespace

TEST_CASE("accesses after an exception are told for the line that makes them") {
    seen_accesses seen;
    std::map<int, int> shared{{0, 0}, {1, 0}, {2, 0}};
    run_two([&] { return catching(shared); });
    CHECK(seen.lines_of_conflicts(here) == lines{body_of_catching + 6});
}

namespace {

struct made_before_main {
    made_before_main() : text("made before main, of more than fits into a string"), number(7) {}
    std::string text;
    std::atomic<int> number;
};
const made_before_main early;

}  // namespace

TEST_CASE("constructors of static objects run with the hooks in place") {
    CHECK(early.text.size() == 49);
    CHECK(early.number == 7);
}

TEST_CASE("the shadow takes no more than twelve bytes for each byte that was touched") {
    using coroscope::instrumentation::race_shadow_bytes;
    constexpr std::size_t count = 1'000'000;
    std::vector<int> values(count);
    const counting_sink sink;
    coroscope::loop loop;
    const auto before = race_shadow_bytes();
    loop.call_soon([&] {
        for (auto& each : values) {
            each += 1;
        }
        loop.stop();
    });
    loop.run_forever();
    CHECK(sink.bytes >= 2 * count * sizeof(int));
    CHECK(race_shadow_bytes() - before <= 12 * count * sizeof(int));
}
