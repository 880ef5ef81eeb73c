// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/generator.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::read_tasks;
using coroscope::task_record;
using coroscope::task_view;
using namespace std::chrono_literals;

namespace {

using word = task_record::memory_word;

coro<> nap() {
    co_await coroscope::sleep_for(1h);
}
coro<> outer() {
    co_await nap();
}
coro<> outermost() {
    co_await outer();
    co_await nap();
}

coro<int> one() {
    co_return 1;
}

/// The only task of the loop, after a pass.
task_view look_at(virtual_loop& v) {
    v.loop.stop();
    v.loop.run_forever();
    const auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 1);
    return views[0];
}

}  // namespace

TEST_CASE("allocations and bytes of frames share a word") {
    const auto frame = word::one_allocation + word::blocks(33);
    CHECK(word::allocations(3 * frame) == 3);
    CHECK(word::frame_bytes(3 * frame) == 192);
    CHECK(word::frame_bytes(3 * frame - 3 * word::blocks(33)) == 0);
    const auto below = word::one_allocation - word::blocks(64);
    CHECK(word::frame_bytes(below) == 0);
    CHECK(word::allocations(below) == 1);
    CHECK(word::allocations(below + word::one_allocation + word::blocks(64)) == 2);
}

TEST_CASE("a task's frames are counted while it has them") {
    virtual_loop v;
    v.loop.create_task(nap());
    const auto single = look_at(v);
    CHECK(single.allocations == 1);
    CHECK(single.frame_bytes > 0);
    CHECK(single.frame_bytes % word::block_bytes == 0);

    virtual_loop deeper;
    auto deep = deeper.loop.create_task(outermost());
    const auto three = look_at(deeper);
    CHECK(three.allocations == 3);
    CHECK(three.frame_bytes > single.frame_bytes);
    deeper.clock.advance(1h);
    const auto two = look_at(deeper);
    CHECK(two.allocations == 4);
    CHECK(two.frame_bytes < three.frame_bytes);
    CHECK(two.frame_bytes > single.frame_bytes);
}

TEST_CASE("a task's frames are as many after many calls as before, its allocations are counted") {
    virtual_loop v;
    auto work = []() -> coro<> {
        co_await coroscope::yield_now();
        for (int i = 0; i < 1'000; ++i) {
            co_await one();
        }
        co_await coroscope::yield_now();
    };
    v.loop.create_task(work());
    const auto before = look_at(v);
    const auto after = look_at(v);
    CHECK(before.allocations == 1);
    CHECK(after.allocations == 1'001);
    CHECK(after.frame_bytes == before.frame_bytes);
}

TEST_CASE("coroutines that a task makes and does not begin are not its own") {
    virtual_loop v;
    auto work = []() -> coro<> {
        co_await coroscope::yield_now();
        {
            const auto dropped = one();
            static_cast<void>(dropped);
        }
        auto kept = one();
        co_await coroscope::yield_now();
        co_await std::move(kept);
    };
    v.loop.create_task(work());
    const auto before = look_at(v);
    const auto after = look_at(v);
    CHECK(after.allocations == 1);
    CHECK(after.frame_bytes == before.frame_bytes);
}

TEST_CASE("the frame of a task belongs to that one, not to its creator") {
    virtual_loop v;
    auto create = [](coroscope::loop& l) -> coro<> {
        co_await coroscope::yield_now();
        l.create_task(nap());
        co_await coroscope::sleep_for(1h);
    };
    v.loop.create_task(create(v.loop));
    const auto before = look_at(v);
    v.loop.stop();
    v.loop.run_forever();
    const auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 2);
    CHECK(views[0].allocations == 1);
    CHECK(views[0].frame_bytes == before.frame_bytes);
    CHECK(views[1].allocations == 1);
    CHECK(views[1].frame_bytes > 0);
}

TEST_CASE("a generator's frame is no task's") {
    virtual_loop v;
    auto numbers = []() -> coroscope::async_generator<int> {
        for (int i = 0;; ++i) {
            co_await one();
            co_yield i;
        }
    };
    auto work = [](auto make) -> coro<> {
        co_await coroscope::yield_now();
        {
            auto g = make();
            co_await g.next();
            co_await g.next();
        }
        co_await coroscope::yield_now();
    };
    v.loop.create_task(work(numbers));
    const auto before = look_at(v);
    const auto after = look_at(v);
    CHECK(after.allocations == 3);  // itself, and `one` twice
    CHECK(after.frame_bytes == before.frame_bytes);
}
