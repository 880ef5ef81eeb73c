// SPDX-License-Identifier: Apache-2.0
// That what watches the other cases in the unannotated mode would tell of a race.
#include "support/catch.hpp"
#include "virtual_loop.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <chrono>

using namespace coroscope;
using namespace std::chrono_literals;

namespace {

coro<> count_late(duration delay, int& count) {
    const int seen = count;
    co_await sleep_for(delay);
    count = seen + 1;
}

coro<> count_at_once(duration delay, int& count) {
    co_await sleep_for(delay);
    ++count;
}

[[gnu::noinline]] int value_of(const int& variable) {
    return variable;
}

coro<> read_write_and_read(int& count) {
    const int before = count;
    co_await yield_now();
    const int seen = value_of(count);
    count = seen + 1;
    co_await yield_now();
    const int after = value_of(count);
    CHECK(before == 0);
    CHECK(after == 1);
}

}  // namespace

TEST_CASE("a lost update fails its case in the unannotated mode", "[!shouldfail]") {
    virtual_loop v;
    int count = 0;
    v.loop.create_task(count_late(2s, count));
    v.loop.create_task(count_late(1s, count));
    v.loop.run_forever();
}

TEST_CASE("an update in one step does not") {
    virtual_loop v;
    int count = 0;
    v.loop.create_task(count_at_once(2s, count));
    v.loop.create_task(count_at_once(1s, count));
    v.loop.run_forever();
    CHECK(count == 2);
}

TEST_CASE("what is read again before it is written, and after it, was not out of date") {
    virtual_loop v;
    int count = 0;
    v.loop.create_task(read_write_and_read(count));
    v.loop.create_task(count_at_once(1s, count));
    v.loop.run_forever();
    CHECK(count == 2);
}
