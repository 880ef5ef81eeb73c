// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_hooks.hpp>

#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "hooked_memory.hpp"

#include "support/catch.hpp"

#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace hooked_memory;

namespace {

/// Keeps every second block, freeing the others, one after each suspension.
coro<> keep_some(std::vector<block>& kept, std::size_t size) {
    for (int i = 0; i < 10; ++i) {
        auto made = make_block(size);
        co_await yield_now();
        if (i % 2 == 0) { kept.push_back(std::move(made)); }
    }
}

coro<> drop(std::vector<block>& kept) {
    kept.clear();
    co_return;
}

coro<> nothing_but_a_block(std::vector<block>& kept) {
    kept.push_back(make_block(32));
    co_return;
}

void throw_and_allocate(int i) {
    const auto made = make_block(48);
    throw std::runtime_error("number " + std::to_string(i));
}

}  // namespace

TEST_CASE("two interleaved tasks are each blamed for what they allocate, to the byte", "[memory]") {
    std::vector<block> of_small;
    std::vector<block> of_large;
    of_small.reserve(10);
    of_large.reserve(10);
    loop l;
    profiled p;
    auto small = l.create_task(keep_some(of_small, 100), "small");
    auto large = l.create_task(keep_some(of_large, 7'000), "large");
    l.run_until_complete(small);
    l.run_until_complete(large);
    const auto seen = p.memory.snapshot();
    CHECK(amounts_of(seen, "small") == memory_amounts{1'000, 10, 500, 5});
    CHECK(amounts_of(seen, "large") == memory_amounts{70'000, 10, 35'000, 5});
    CHECK(seen.dropped == 0);
}

TEST_CASE("a block that another task or thread frees is taken off the task that allocated it",
          "[memory]") {
    std::vector<block> first;
    std::vector<block> second;
    first.reserve(10);
    second.reserve(10);
    loop l;
    profiled p;
    l.run_until_complete(l.create_task(keep_some(first, 300), "first"));
    l.run_until_complete(l.create_task(keep_some(second, 500), "second"));
    CHECK(amounts_of(p.memory.snapshot(), "first").live_bytes() == 1'500);
    l.run_until_complete(l.create_task(drop(first), "dropper"));
    std::thread([&second] { second.clear(); }).join();
    const auto seen = p.memory.snapshot();
    CHECK(amounts_of(seen, "first") == memory_amounts{3'000, 10, 3'000, 10});
    CHECK(amounts_of(seen, "second") == memory_amounts{5'000, 10, 5'000, 10});
    CHECK(amounts_of(seen, "dropper") == memory_amounts{});
}

TEST_CASE("every form of operator new and delete is counted", "[memory]") {
    struct alignas(64) wide {
        char bytes[64];
    };
    profiled p;
    const auto before = p.memory.snapshot().total();
    const auto grown = [&] {
        auto now = p.memory.snapshot().total();
        now -= before;
        return now;
    };
    ::operator delete(::operator new(10));
    ::operator delete[](::operator new[](20));
    ::operator delete(::operator new(30, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](40, std::nothrow), std::nothrow);
    ::operator delete (::operator new(50), std::size_t{50});
    ::operator delete[](::operator new[](60), std::size_t{60});
    constexpr std::align_val_t boundary{128};
    ::operator delete(::operator new(70, boundary), boundary);
    ::operator delete[](::operator new[](80, boundary), boundary);
    ::operator delete(::operator new(90, boundary, std::nothrow), boundary, std::nothrow);
    ::operator delete[](::operator new[](100, boundary, std::nothrow), boundary, std::nothrow);
    ::operator delete (::operator new(110, boundary), std::size_t{110}, boundary);
    ::operator delete[](::operator new[](120, boundary), std::size_t{120}, boundary);
    // gperftools tells of what an alignment rounds a size up to.
    const auto bytes = sees_malloc() ? 210 + 6 * 128 : 780;
    CHECK(grown() == memory_amounts{bytes, 12, bytes, 12});
    auto* const aligned = ::operator new(1, boundary);
    CHECK(reinterpret_cast<std::uintptr_t>(aligned) % 128 == 0);
    ::operator delete(aligned, boundary);
    CHECK(::operator new (std::size_t{1} << 62U, std::nothrow) == nullptr);
    CHECK_THROWS_AS(::operator new (std::size_t{1} << 62U), std::bad_alloc);
    CHECK_THROWS_AS(::operator new (~std::size_t{0}, boundary), std::bad_alloc);
}

TEST_CASE("more tasks than there are places are counted together, and nothing is lost",
          "[memory]") {
    constexpr std::size_t many = 20'000;
    std::vector<block> kept;
    kept.reserve(many);
    loop l;
    profiled p;
    for (std::size_t i = 0; i < many; ++i) {
        l.run_until_complete(l.create_task(nothing_but_a_block(kept), "one of many"));
    }
    const auto seen = p.memory.snapshot();
    CHECK(seen.places.size() < 16'384);
    CHECK(seen.dropped == 0);
    const auto single = amounts_of(seen, "one of many");
    const auto other = amounts_of(seen, "(other tasks)");
    CHECK(other.live_blocks() > 0);
    CHECK(single.live_blocks() + other.live_blocks() == many);
    CHECK(single.live_bytes() + other.live_bytes() == 32 * many);
}

TEST_CASE("throwing a lot and threads that come and go leave nothing behind", "[memory]") {
    profiled p;
    const auto run = [] {
        for (int i = 0; i < 200; ++i) {
            try {
                throw_and_allocate(i);
            } catch (const std::runtime_error&) {}
        }
    };
    const auto in_two_threads = [&run] {
        std::thread one(run);
        std::thread other(run);
        one.join();
        other.join();
    };
    in_two_threads();  // the C library keeps what two threads need, for the next two
    const auto before = p.memory.snapshot();
    for (int i = 0; i < 20; ++i) {
        in_two_threads();
    }
    auto grown = p.memory.snapshot().total();
    grown -= before.total();
    CHECK(grown.live_bytes() == 0);
    CHECK(grown.live_blocks() == 0);
    CHECK(grown.allocated_bytes >= 40 * 200 * 48);
}

TEST_CASE("a row for each line says what changed there", "[memory]") {
    profiled p;
    const auto before = p.memory.snapshot();
    const auto made = make_block(12'345);
    const auto rows = p.memory.snapshot().compare_to(before, memory_key::filename);
    REQUIRE_FALSE(rows.empty());
#if COROSCOPE_TEST_NATIVE_STACKS
    CHECK(rows.front().key.find("memory_hooks/hooked_memory.hpp") != std::string::npos);
#else
    CHECK(rows.front().key == "?");
#endif
    CHECK(rows.front().amounts.live_bytes() == 12'345);
    CHECK(made != nullptr);
}

TEST_CASE("what was allocated before the start is no one's when it is freed", "[memory]") {
    auto early = make_block(1'000);
    profiled p;
    const auto before = p.memory.snapshot().total();
    early.reset();
    auto grown = p.memory.snapshot().total();
    grown -= before;
    CHECK(grown == memory_amounts{});
}

TEST_CASE("a wrapped coroutine's calls are counted for their own task alone", "[memory]") {
    std::vector<block> of_one;
    std::vector<block> of_other;
    of_one.reserve(10);
    of_other.reserve(10);
    profiled p;
    profiler prof;
    const auto measured = prof.profile_memory("keep_some", keep_some);
    const auto both = prof.profile_time("keep_some", measured);
    loop l;
    auto one = l.create_task(both(of_one, 100));
    auto other = l.create_task(keep_some(of_other, 5'000));
    l.run_until_complete(one);
    l.run_until_complete(other);
    const auto table = prof.memory_stats(memory_key::task);
    REQUIRE(table.count("keep_some") == 1);
    const auto& stats = table.at("keep_some");
    CHECK(stats.calls == 1);
    CHECK(stats.returned == 1);
    CHECK(stats.total == memory_amounts{1'000, 10, 500, 5});
    REQUIRE(stats.recent.size() == 1);
    REQUIRE(stats.recent.front().rows.size() == 1);
    CHECK(stats.recent.front().rows.front().amounts.live_bytes() == 500);
}

TEST_CASE("a wrapped plain function that throws is counted, with what it freed", "[memory]") {
    profiled p;
    profiler prof;
    const auto measured = prof.profile_memory("thrower", throw_and_allocate);
    CHECK_THROWS_AS(measured(3), std::runtime_error);
    const auto stats = prof.memory_stats().at("thrower");
    CHECK(stats.threw == 1);
    CHECK(stats.total.allocated_bytes >= 48);
    CHECK(stats.total.freed_bytes >= 48);
}

TEST_CASE("a wrapped coroutine function that throws instead of returning its coroutine was called",
          "[memory]") {
    const profiled hooked;
    profiler p;
    const auto refuses = [](bool refused) -> coro<> {
        if (refused) { throw std::invalid_argument("no"); }
        return []() -> coro<> {
            co_return;
        }();
    };
    const auto wrapped = p.profile_memory("refuses", refuses);
    CHECK_THROWS_AS(static_cast<void>(wrapped(true)), std::invalid_argument);
    const auto stats = p.memory_stats().at("refuses");
    CHECK(stats.calls == 1);
    CHECK(stats.threw == 1);
}

TEST_CASE("calls while the profiler is stopped are not measured, and functions may have a state",
          "[memory]") {
    const profiled hooked;
    profiler p;
    auto number = p.profile_memory("number", [made = block(), count = 0]() mutable {
        made = make_block(100);
        return ++count;
    });
    CHECK(number() == 1);
    p.stop();
    CHECK(number() == 2);
    {
        const auto on = p.started();
        CHECK(number() == 3);
    }
    const auto stats = p.memory_stats().at("number");
    CHECK(stats.calls == 2);
    CHECK(stats.total.allocated_bytes == 200);
}

TEST_CASE("the last handle of a profiler writes what was measured, by the key of its options",
          "[memory]") {
    const profiled hooked;
    std::ostringstream log;
    {
        profiler p({.key_type = memory_key::filename, .log = &log});
        const auto measured = p.profile_memory("make", [] { return make_block(100); });
        const auto made = measured();
    }
    const auto text = log.str();
    INFO(text);
    CHECK(text.starts_with("Memory measurements for call of make at "));
    CHECK(text.find("hooked_memory.hpp: 100 bytes in 1 blocks (allocated 100 bytes in 1 ")
          != std::string::npos);
    CHECK(text.find("make: 1 calls, 0 threw, 0 cancelled; total 100 bytes in 1 blocks")
          != std::string::npos);
}
