// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/frame_memory.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <cstring>
#include <future>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using coroscope::coro;
using coroscope::detail::allocate_block;
using coroscope::detail::block_kind;
using coroscope::detail::largest_block;
using coroscope::detail::release_block;

namespace {

coro<std::size_t> hold(std::vector<char> bytes) {
    co_return bytes.size();
}

}  // namespace

TEST_CASE("blocks of every size are distinct, aligned and writable") {
    std::vector<std::pair<void*, std::size_t>> blocks;
    for (std::size_t size = 1; size <= largest_block + 200; size += 37) {
        auto* block = allocate_block(block_kind::frame, size);
        CHECK(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t) == 0);
        std::memset(block, static_cast<int>(size % 251), size);
        blocks.emplace_back(block, size);
    }
    for (const auto& [block, size] : blocks) {
        const auto* bytes = static_cast<const unsigned char*>(block);
        CHECK(bytes[0] == size % 251);
        CHECK(bytes[size - 1] == size % 251);
        release_block(block_kind::frame, block, size);
    }
}

TEST_CASE("blocks are used again") {
    std::set<void*> seen;
    for (int i = 0; i < 100'000; ++i) {
        auto* block = allocate_block(block_kind::frame, 96);
        seen.insert(block);
        release_block(block_kind::frame, block, 96);
    }
    CHECK(seen.size() < 2000);
}

TEST_CASE("blocks are distinct where a class has more than its small slabs hold") {
    constexpr std::size_t count = 12 * 1024 * 1024 / largest_block;
    std::vector<void*> blocks;
    for (std::size_t i = 0; i < count; ++i) {
        auto* block = allocate_block(block_kind::frame, largest_block);
        std::memset(block, static_cast<int>(i % 251), largest_block);
        blocks.push_back(block);
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto* bytes = static_cast<const unsigned char*>(blocks[i]);
        CHECK(bytes[0] == i % 251);
        CHECK(bytes[largest_block - 1] == i % 251);
        release_block(block_kind::frame, blocks[i], largest_block);
    }
}

TEST_CASE("a thread that frees a few blocks of others and ends gives them back", "[threads]") {
    // Of a size that no coroutine here has: what other tests have freed would be used up first.
    constexpr std::size_t size = largest_block - 5 * coroscope::detail::block_granularity;
    std::set<void*> seen;
    for (int round = 0; round < 300; ++round) {
        std::vector<void*> blocks;
        for (int i = 0; i < 100; ++i) {
            blocks.push_back(allocate_block(block_kind::frame, size));
            seen.insert(blocks.back());
        }
        std::thread([&] {
            for (auto* block : blocks) {
                release_block(block_kind::frame, block, size);
            }
        }).join();
    }
    CHECK(seen.size() < 3000);
}

TEST_CASE("frames made in one thread are run and freed in another", "[threads]") {
    constexpr int rounds = 20;
    constexpr std::size_t frames = 500;
    for (int round = 0; round < rounds; ++round) {
        std::promise<std::vector<coro<std::size_t>>> passed;
        std::thread maker([&] {
            std::vector<coro<std::size_t>> made;
            for (std::size_t i = 0; i < frames; ++i) {
                made.push_back(hold(std::vector<char>(i)));
            }
            passed.set_value(std::move(made));
        });
        auto received = passed.get_future().get();
        std::size_t sum = 0;
        virtual_loop v;
        for (std::size_t i = 0; i < frames; i += 2) {
            sum += v.loop.run_until_complete(std::move(received[i]));
        }
        received.clear();
        maker.join();
        CHECK(sum == (frames / 2 - 1) * (frames / 2));
    }
}

TEST_CASE("several threads allocate and free at once", "[threads]") {
    const auto work = [] {
        std::vector<std::pair<void*, std::size_t>> kept;
        unsigned state = 7;
        for (int i = 0; i < 20'000; ++i) {
            state = state * 1664525U + 1013904223U;
            const std::size_t size = 32 + (state >> 22U);
            if (state % 3 != 0 || kept.empty()) {
                auto* block = allocate_block(block_kind::frame, size);
                std::memset(block, 0x5a, size);
                kept.emplace_back(block, size);
            } else {
                release_block(block_kind::frame, kept.back().first, kept.back().second);
                kept.pop_back();
            }
        }
        for (const auto& [block, size] : kept) {
            release_block(block_kind::frame, block, size);
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back(work);
    }
    for (auto& t : threads) {
        t.join();
    }
    SUCCEED("no block was given to two");
}

TEST_CASE("loops in several threads make and end tasks at once", "[threads]") {
    const auto work = [](int& sum) {
        virtual_loop v;
        auto one = []() -> coro<int> {
            co_return 1;
        };
        for (int i = 0; i < 2000; ++i) {
            sum += v.loop.run_until_complete(one());
        }
    };
    std::vector<int> sums(3, 0);
    std::vector<std::thread> threads;
    for (auto& sum : sums) {
        threads.emplace_back([&work, &sum] { work(sum); });
    }
    for (auto& t : threads) {
        t.join();
    }
    CHECK(sums == std::vector<int>{2000, 2000, 2000});
}

#if defined(COROSCOPE_ADDRESS_SANITIZER)
TEST_CASE("the address sanitizer sees a use of a freed frame") {
    const auto child = ::fork();
    if (child == 0) {
        ::close(STDERR_FILENO);
        auto* block = static_cast<volatile char*>(allocate_block(block_kind::frame, 200));
        release_block(block_kind::frame, const_cast<char*>(block), 200);
        block[100] = 1;
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("the address sanitizer sees a use of a freed frame after many others came and went") {
    const auto child = ::fork();
    if (child == 0) {
        ::close(STDERR_FILENO);
        auto* block = static_cast<volatile char*>(allocate_block(block_kind::frame, 200));
        release_block(block_kind::frame, const_cast<char*>(block), 200);
        for (int i = 0; i < 100; ++i) {
            release_block(block_kind::frame, allocate_block(block_kind::frame, 200), 200);
        }
        block[100] = 1;
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
#endif
