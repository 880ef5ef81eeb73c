// SPDX-License-Identifier: Apache-2.0
// What C code allocates: seen through gperftools, and the other hooks say that they miss it.
#include "hooked_memory.hpp"

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <cstring>
#include <exception>
#include <thread>
#include <vector>

#include <malloc.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace hooked_memory;

namespace {

/// What a call changed, in bytes and blocks.
template <class Call>
memory_amounts change_of(const memory_profiler& memory, Call call) {
    const auto before = memory.snapshot().total();
    call();
    return difference(memory.snapshot().total(), before);
}

coro<> duplicate(std::vector<c_block>& kept, const char* text) {
    for (int i = 0; i < 10; ++i) {
        kept.emplace_back(::strdup(text));
        co_await yield_now();
    }
}

}  // namespace

TEST_CASE("what is hooked is said, and what is not seen", "[memory]") {
    const profiled p;
    const std::string said(memory_profiler::hooked());
    CHECK(p.memory.snapshot().note == said);
    CHECK(said.find("operator new and delete") != std::string::npos);
    CHECK(said.find("mmap") != std::string::npos);
    CHECK(said.find("not counted") != std::string::npos);
    const auto misses_malloc = said.find("malloc as C libraries") != std::string::npos;
    CHECK(misses_malloc == !sees_malloc());
}

TEST_CASE("every form of malloc is counted, or none where malloc is not hooked", "[memory]") {
    const profiled p;
    const auto counted = [](const memory_amounts& amounts) {
        return sees_malloc() ? amounts : memory_amounts{};
    };
    void* held = nullptr;
    CHECK(change_of(p.memory, [&] { use(held = std::malloc(100)); }) == counted({100, 1, 0, 0}));
    CHECK(change_of(p.memory, [&] { use(held = std::realloc(held, 5'000)); })
          == counted({5'000, 1, 100, 1}));
    CHECK(change_of(p.memory, [&] { use(held = std::realloc(held, 4'900)); })
          == counted({4'900, 1, 5'000, 1}));
    CHECK(change_of(p.memory, [&] { std::free(held); }) == counted({0, 0, 4'900, 1}));
    CHECK(change_of(p.memory, [&] { use(held = std::calloc(3, 7)); }) == counted({21, 1, 0, 0}));
    CHECK(change_of(p.memory, [&] { std::free(held); }) == counted({0, 0, 21, 1}));
    CHECK(change_of(p.memory, [&] { use(held = std::aligned_alloc(64, 128)); })
          == counted({128, 1, 0, 0}));
    std::free(held);
    CHECK(change_of(p.memory, [&] { CHECK(::posix_memalign(&held, 128, 1'000) == 0); })
          == counted({1'024, 1, 0, 0}));
    std::free(held);
    CHECK(change_of(p.memory, [&] { use(held = ::memalign(64, 77)); }) == counted({128, 1, 0, 0}));
    std::free(held);
    CHECK(change_of(p.memory, [&] { use(held = ::strdup("text")); }) == counted({5, 1, 0, 0}));
    std::free(held);
    CHECK(change_of(p.memory, [] { std::free(nullptr); }) == memory_amounts{});
}

TEST_CASE("what C code allocates for interleaved tasks belongs to each of them", "[memory]") {
    std::vector<c_block> of_one;
    std::vector<c_block> of_other;
    of_one.reserve(10);
    of_other.reserve(10);
    loop l;
    profiled p;
    auto one = l.create_task(duplicate(of_one, "nine char"), "one");
    auto other = l.create_task(duplicate(of_other, "0123456789012345678"), "other");
    l.run_until_complete(one);
    l.run_until_complete(other);
    std::thread([&of_one] { of_one.clear(); }).join();
    const auto seen = p.memory.snapshot();
    const auto expected = [](std::int64_t each, std::int64_t freed) {
        return sees_malloc() ? memory_amounts{10 * each, 10, freed * each, freed}
                             : memory_amounts{};
    };
    CHECK(amounts_of(seen, "one") == expected(10, 10));
    CHECK(amounts_of(seen, "other") == expected(20, 0));
}

TEST_CASE("an exception that is thrown is memory of its thrower where malloc is hooked",
          "[memory]") {
    const profiled p;
    const auto change = change_of(p.memory, [] {
        try {
            throw 42;
        } catch (int) {}
    });
    CHECK(change.allocated_blocks == (sees_malloc() ? 1 : 0));
    CHECK(change.live_bytes() == 0);
}
