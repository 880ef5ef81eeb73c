// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_profiler.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "told_memory.hpp"

#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;

using namespace told_memory;

namespace {

coro<> allocating(std::uintptr_t first, std::size_t size) {
    for (std::uintptr_t i = 0; i < 4; ++i) {
        tell_of(first + i, size);
        co_await yield_now();
    }
}

/// Tells of as many bytes as `total` or a little more, in blocks of some sizes.
coro<> allocating_in_all(std::uintptr_t first, std::int64_t total, std::int64_t& told) {
    for (std::uintptr_t i = 0; told < total; ++i) {
        const std::size_t size = 40 + 7 * (i % 30);
        tell_of(first + i, size);
        told += static_cast<std::int64_t>(size);
        if (i % 64 == 0) { co_await yield_now(); }
    }
}

coro<> reading(const memory_profiler& memory, frame_memory& seen) {
    seen = memory.frames();
    co_return;
}

coro<> awaiting(const memory_profiler& memory, frame_memory& during, frame_memory& after) {
    co_await reading(memory, during);
    after = memory.frames();
}

std::string text_of(const std::vector<memory_row>& rows) {
    std::string text;
    for (const auto& row : rows) {
        text += row.key + " " + std::to_string(row.amounts.live_bytes()) + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("a memory profiler that nothing tells of allocations does not start") {
    memory_profiler memory;
    CHECK_THROWS_AS(memory.start(), std::logic_error);
    CHECK_FALSE(memory.is_started());
}

TEST_CASE("one memory profiler runs at a time", "[threads]") {
    const named_hooks hooks;
    memory_profiler first;
    memory_profiler second;
    first.start();
    CHECK_THROWS_AS(second.start(), std::logic_error);
    first.stop();
    second.start();
    CHECK(second.is_started());
}

TEST_CASE("blocks belong to the task that runs, on whichever thread they are freed", "[threads]") {
    const named_hooks hooks;
    loop l;
    memory_profiler memory;
    const memory_scope scope(memory);
    auto one = l.create_task(allocating(100, 10), "one");
    auto two = l.create_task(allocating(200, 1'000), "two");
    l.run_until_complete(one);
    l.run_until_complete(two);
    CHECK(text_of(memory.snapshot().rows(memory_key::task)) == "two 4000\none 40\n");
    std::thread([] { tell_of_free(201); }).join();
    CHECK(text_of(memory.snapshot().rows(memory_key::task)) == "two 3000\none 40\n");
    CHECK(memory.snapshot().of_task(l.core().id, two.id()).total().allocated_bytes == 4'000);
}

TEST_CASE("the peak is kept when memory is freed, and a new start forgets everything") {
    const named_hooks hooks;
    memory_profiler memory;
    {
        const memory_scope scope(memory);
        tell_of(1, 500);
        tell_of(2, 700);
        tell_of_free(1);
        tell_of(3, 100);
        const auto seen = memory.snapshot();
        CHECK(seen.peak_bytes == 1'200);
        CHECK(seen.total() == memory_amounts{1'300, 3, 500, 1});
        CHECK(seen.note == "told by a test");
    }
    tell_of_free(2);
    CHECK(memory.snapshot().total().live_bytes() == 800);
    memory.start();
    CHECK(memory.snapshot().total() == memory_amounts{});
    tell_of_free(3);
    CHECK(memory.snapshot().total() == memory_amounts{});
}

TEST_CASE("an address that is allocated again without a free replaces what was there") {
    const named_hooks hooks;
    memory_profiler memory;
    const memory_scope scope(memory);
    tell_of(1, 500);
    tell_of(1, 60);
    CHECK(memory.snapshot().total() == memory_amounts{560, 2, 500, 1});
}

TEST_CASE("more blocks than are kept are counted as dropped, and freed ones make room") {
    const named_hooks hooks;
    memory_profiler memory;
    const memory_scope scope(memory);
    constexpr std::uintptr_t many = 1'300'000;
    for (std::uintptr_t i = 1; i <= many; ++i) {
        tell_of(i, 8);
    }
    auto seen = memory.snapshot();
    CHECK(seen.dropped > 0);
    CHECK(seen.total().live_blocks() + static_cast<std::int64_t>(seen.dropped) == many);
    for (std::uintptr_t i = 1; i <= many; ++i) {
        tell_of_free(i);
    }
    CHECK(memory.snapshot().total().live_bytes() == 0);
    tell_of(1, 8);
    CHECK(memory.snapshot().total().live_bytes() == 8);
}

TEST_CASE("samples are scaled up to what was allocated") {
    const named_hooks hooks;
    memory_profiler_options options;
    options.sample_period = 4'096;
    memory_profiler memory(options);
    const memory_scope scope(memory);
    constexpr std::uintptr_t many = 200'000;
    std::int64_t truth = 0;
    for (std::uintptr_t i = 1; i <= many; ++i) {
        const std::size_t size = i % 3 == 0 ? 1'000 : 100;
        truth += static_cast<std::int64_t>(size);
        tell_of(i, size);
    }
    const auto seen = memory.snapshot();
    CHECK(seen.period == 4'096);
    CHECK(seen.dropped == 0);
    // Some 19,000 samples: five standard deviations are 4 per cent.
    CHECK(std::abs(static_cast<double>(seen.total().live_bytes() - truth))
          < 0.04 * static_cast<double>(truth));
    for (std::uintptr_t i = 1; i <= many; ++i) {
        tell_of_free(i);
    }
    CHECK(memory.snapshot().total().live_bytes() == 0);
}

TEST_CASE("by samples, what interleaved tasks allocate is within two points of the truth") {
    const named_hooks hooks;
    memory_profiler_options options;
    options.sample_period = 512;
    memory_profiler memory(options);
    const memory_scope scope(memory);
    // Some 40,000 samples: two points are eight standard deviations of the largest share.
    constexpr std::int64_t whole = 20'000'000;
    loop l;
    std::array<std::int64_t, 3> told{};
    auto most = l.create_task(allocating_in_all(1'000'000, whole * 60 / 100, told[0]), "most");
    auto some = l.create_task(allocating_in_all(2'000'000, whole * 30 / 100, told[1]), "some");
    auto few = l.create_task(allocating_in_all(3'000'000, whole * 10 / 100, told[2]), "few");
    l.run_until_complete(most);
    l.run_until_complete(some);
    l.run_until_complete(few);
    const auto seen = memory.snapshot();
    CHECK(seen.dropped == 0);
    const auto all = static_cast<double>(told[0] + told[1] + told[2]);
    for (const auto& [task, bytes] :
         {std::pair(&most, told[0]), {&some, told[1]}, {&few, told[2]}}) {
        const auto amounts = seen.of_task(l.core().id, task->id()).total();
        CHECK(std::abs(static_cast<double>(amounts.live_bytes() - bytes)) < 0.02 * all);
    }
}

TEST_CASE("threads that allocate and free at once lose nothing", "[threads]") {
    const named_hooks hooks;
    memory_profiler memory;
    const memory_scope scope(memory);
    std::vector<std::thread> threads;
    for (std::uintptr_t t = 1; t <= 4; ++t) {
        threads.emplace_back([t] {
            for (std::uintptr_t i = 0; i < 2'000; ++i) {
                tell_of(t * 10'000 + i, 16);
                if (i % 2 == 0) { tell_of_free(t * 10'000 + i); }
            }
        });
    }
    for (auto& each : threads) {
        each.join();
    }
    CHECK(memory.snapshot().total() == memory_amounts{128'000, 8'000, 64'000, 4'000});
}

TEST_CASE("what a profiler allocates itself is in no profile") {
    const named_hooks hooks;
    memory_profiler memory;
    const memory_scope scope(memory);
    {
        const instrumentation::detail::unwatched_memory mine;
        tell_of(1, 10);
    }
    CHECK(memory.snapshot().total() == memory_amounts{});
}

TEST_CASE("as an observer, a memory profiler counts coroutine frames") {
    memory_profiler memory;
    loop l;
    l.add_observer(memory);
    frame_memory during;
    frame_memory after;
    l.run_until_complete(l.create_task(awaiting(memory, during, after)));
    CHECK(during.frames == 1);
    CHECK(during.live_bytes > 0);
    CHECK(after.frames == 1);
    CHECK(after.live_bytes == 0);
    CHECK(after.peak_bytes == during.live_bytes);
    l.remove_observer(memory);
}
