// SPDX-License-Identifier: Apache-2.0
// What of a memory profiler several threads use at once. Nothing but its own locks orders them
// here, so that the thread sanitizer sees one that is missing.
#include <coroscope/instrumentation/memory_profiler.hpp>

#include "told_memory.hpp"

#include "support/catch.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace coroscope::instrumentation;
using namespace told_memory;

namespace {

constexpr std::size_t rounds = 300;
constexpr std::size_t starts = 20;  // each clears some megabytes
constexpr std::size_t forks = 20;
constexpr std::uintptr_t blocks = 256;  // some in each of the table's parts

/// Runs each call on a thread of its own, over and over, until all of them have had so many rounds
/// since the last one began: so each meets the others. How far they are orders nothing.
class concurrent {
public:
    concurrent(std::size_t wanted, std::vector<std::function<void()>> calls) : done_(calls.size()) {
        for (std::size_t i = 0; i < calls.size(); ++i) {
            threads_.emplace_back([this, i, wanted, call = calls[i]] {
                while (!all_have(wanted)) {
                    call();
                    done_[i].fetch_add(1, std::memory_order_relaxed);
                }
            });
        }
    }
    concurrent(const concurrent&) = delete;
    concurrent& operator=(const concurrent&) = delete;
    ~concurrent() {
        for (auto& each : threads_) {
            each.join();
        }
    }

    [[nodiscard]] bool all_have(std::size_t count) const noexcept {
        for (const auto& each : done_) {
            if (each.load(std::memory_order_relaxed) < count) { return false; }
        }
        return true;
    }

private:
    std::vector<std::atomic<std::size_t>> done_;
    std::vector<std::thread> threads_;
};

void allocate_all() {
    for (std::uintptr_t i = 1; i <= blocks; ++i) {
        tell_of(i, 16);
    }
}

coroscope::coro<> tell_once(std::uintptr_t number) {
    tell_of(number, 16);
    co_return;
}

void free_all() {
    for (std::uintptr_t i = 1; i <= blocks; ++i) {
        tell_of_free(i);
    }
}

}  // namespace

TEST_CASE("threads that allocate and free the same blocks lose nothing", "[threads]") {
    const named_hooks hooks;
    memory_profiler memory;
    const memory_scope scope(memory);
    { const concurrent all(rounds, {allocate_all, free_all, allocate_all}); }
    free_all();
    const auto total = memory.snapshot().total();
    CHECK(total.live_blocks() == 0);
    CHECK(total.live_bytes() == 0);
    CHECK(total.allocated_bytes == 16 * total.allocated_blocks);
    CHECK(total.allocated_blocks >= static_cast<std::int64_t>(2 * rounds * blocks));
}

TEST_CASE("threads that come to new places at once lose none", "[threads]") {
    constexpr std::uintptr_t threads = 3;
    constexpr std::uintptr_t tasks = 3000;  // each is a place of its own
    const named_hooks hooks;
    memory_profiler memory;
    for (std::size_t round = 0; round < starts / 2; ++round) {
        const memory_scope scope(memory);
        std::atomic<std::uintptr_t> ready{0};
        std::vector<std::jthread> all;
        for (std::uintptr_t t = 0; t < threads; ++t) {
            all.emplace_back([&ready, t] {
                coroscope::loop l;
                for (std::uintptr_t i = 1; i < tasks; ++i) {
                    l.create_task(tell_once(t * tasks + i));
                }
                ready.fetch_add(1, std::memory_order_relaxed);
                while (ready.load(std::memory_order_relaxed) < threads) {
                    std::this_thread::yield();
                }
                l.run_until_complete(tell_once((t + 1) * tasks));
            });
        }
        all.clear();
        const auto found = memory.snapshot();
        CHECK(found.total() == memory_amounts{16 * threads * tasks, threads * tasks, 0, 0});
        CHECK(found.dropped == 0);
    }
}

TEST_CASE("snapshots are taken, and profiles begun, while other threads allocate", "[threads]") {
    const named_hooks hooks;
    memory_profiler memory;
    memory.start();
    std::atomic<std::int64_t> wrong{0};
    {
        const concurrent all(starts,
                             {allocate_all, free_all,
                              [&] {
                                  const auto total = memory.snapshot().total();
                                  if (total.live_blocks() < 0 || total.allocated_blocks < 0) {
                                      wrong.fetch_add(1, std::memory_order_relaxed);
                                  }
                              },
                              [&] {
                                  memory.stop();
                                  memory.start();
                              }});
    }
    CHECK(wrong == 0);
    memory.stop();
    memory.start();
    allocate_all();
    CHECK(memory.snapshot().total() == memory_amounts{16 * blocks, blocks, 0, 0});
}

TEST_CASE("a process is copied while its threads allocate, and both count on", "[threads]") {
    const named_hooks hooks;
    memory_profiler memory;
    const memory_scope scope(memory);
    std::vector<int> ends;
    {
        const concurrent all(
            forks, {allocate_all, free_all, [&] { static_cast<void>(memory.snapshot()); },
                    [&] {
                        const auto child = ::fork();
                        if (child == 0) {
                            free_all();
                            const auto before = memory.snapshot().total();
                            allocate_all();
                            auto grown = memory.snapshot().total();
                            grown -= before;
                            const memory_amounts expected{16 * blocks, blocks, 0, 0};
                            ::_exit(before.live_blocks() == 0 && grown == expected ? 0 : 1);
                        }
                        int status = 0;
                        ::waitpid(child, &status, 0);
                        ends.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
                    }});
    }
    CHECK(ends == std::vector<int>(ends.size(), 0));
    CHECK(ends.size() >= forks);
}
