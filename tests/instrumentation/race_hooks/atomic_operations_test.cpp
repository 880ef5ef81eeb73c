// SPDX-License-Identifier: Apache-2.0
// Atomic operations of a program that is compiled for the unannotated mode.
#include "instrumentation/race_hooks/seen_accesses.hpp"
#include "instrumentation/race_hooks/threaded_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

using coroscope::coro;
using coroscope::yield_now;
using lines = std::vector<unsigned>;

namespace {

constexpr std::string_view here = "atomic_operations_test.cpp";

template <class T>
[[nodiscard]] bool counts_right() {
    constexpr int threads = 4;
    constexpr int times = 20'000;
    std::atomic<T> added{0};
    std::atomic<T> exchanged{0};
    std::atomic<T> flipped{0};
    std::latch begin(threads);
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < threads; ++i) {
            all.emplace_back([&] {
                begin.arrive_and_wait();
                for (int j = 0; j < times; ++j) {
                    added.fetch_add(1, std::memory_order_relaxed);
                    auto old = exchanged.load();
                    while (!exchanged.compare_exchange_weak(old, static_cast<T>(old + 1))) {}
                    flipped.fetch_xor(1);
                }
            });
        }
    }
    const auto expected = static_cast<T>(threads * times);
    return added == expected && exchanged == expected && flipped == 0;
}

}  // namespace

TEST_CASE("atomic operations are atomic", "[threads]") {
    CHECK(counts_right<std::uint8_t>());
    CHECK(counts_right<std::uint16_t>());
    CHECK(counts_right<std::uint32_t>());
    CHECK(counts_right<std::uint64_t>());
}

__extension__ using wide = unsigned __int128;

// Compilers that are told of such instructions call these; others call a library.
extern "C" wide __tsan_atomic128_load(const volatile wide* place, int order);
extern "C" void __tsan_atomic128_store(volatile wide* place, wide value, int order);
extern "C" wide __tsan_atomic128_fetch_add(volatile wide* place, wide value, int order);
extern "C" int __tsan_atomic128_compare_exchange_strong(volatile wide* place, wide* expected,
                                                        wide value, int order, int on_failure);

TEST_CASE("atomic operations on 16 bytes are atomic", "[threads]") {
    alignas(16) wide value = 0;
    constexpr auto one_in_both = wide{1} << 64U | 1U;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&value] {
                for (int j = 0; j < 1'000; ++j) {
                    __tsan_atomic128_fetch_add(&value, one_in_both, __ATOMIC_SEQ_CST);
                }
            });
        }
    }
    CHECK((__tsan_atomic128_load(&value, __ATOMIC_SEQ_CST) == one_in_both * 4'000));
    wide expected = 1;
    CHECK(__tsan_atomic128_compare_exchange_strong(&value, &expected, 2, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_SEQ_CST)
          == 0);
    CHECK((expected == one_in_both * 4'000));
    CHECK(__tsan_atomic128_compare_exchange_strong(&value, &expected, 2, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_SEQ_CST)
          == 1);
    CHECK((value == 2));
}

TEST_CASE("atomic operations do what they should") {
    std::atomic<int> value{12};
    CHECK(value.exchange(10) == 12);
    CHECK(value.fetch_sub(3) == 10);
    CHECK(value.fetch_or(8) == 7);
    CHECK(value.fetch_and(9) == 15);
    CHECK(value.load() == 9);
    int expected = 1;
    CHECK_FALSE(value.compare_exchange_strong(expected, 2));
    CHECK(expected == 9);
    CHECK(value.compare_exchange_strong(expected, 2));
    value.store(5, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    CHECK(value == 5);
}

namespace {

constexpr unsigned body_of_atomic_update = __LINE__;
coro<> update(std::atomic<int>& counter) {
    const int old = counter.load();
    co_await yield_now();
    counter.store(old + 1);
}

}  // namespace

TEST_CASE("an atomic variable does not make an update across a suspension atomic") {
    std::atomic<int> counter{0};
    seen_accesses seen;
    run_two([&] { return update(counter); });
    CHECK(counter == 1);
    CHECK(seen.lines_of_conflicts(here)
          == lines{body_of_atomic_update + 2, body_of_atomic_update + 4});
}

namespace {

struct small_flag {
    std::atomic<int> value{0};
    [[nodiscard]] bool is_set() const { return value.load() != 0; }
};
struct wide_flag {
    alignas(16) wide value = 0;
    [[nodiscard]] bool is_set() const {
        return __tsan_atomic128_load(&value, __ATOMIC_SEQ_CST) != 0;
    }
};

/// Flags that all lie at one place: who waits for one makes the next one as soon as it is set.
template <class Flag>
struct reused_flag {
    static constexpr int rounds = 3;
    std::unique_ptr<std::optional<Flag>> place = std::make_unique<std::optional<Flag>>();
    std::atomic<Flag*> given{nullptr};

    void wait_for_all() {
        for (int i = 0; i < rounds; ++i) {
            auto& flag = place->emplace();
            given.store(&flag);
            while (!flag.is_set()) {
                std::this_thread::yield();
            }
        }
    }
    void set_all(void (*set)(Flag&)) {
        for (int i = 0; i < rounds; ++i) {
            Flag* flag = nullptr;
            while (flag == nullptr) {
                std::this_thread::yield();
                flag = given.exchange(nullptr);
            }
            set(*flag);
        }
    }
    [[nodiscard]] static rule_list rules_of(void (*set)(Flag&)) {
        threaded_loop r;
        reused_flag flags;
        return r.rules_of([&] { flags.wait_for_all(); }, [&] { flags.set_all(set); });
    }
};

}  // namespace

TEST_CASE("what was set atomically may be something else for who saw it", "[threads]") {
    using flags = reused_flag<small_flag>;
    CHECK(flags::rules_of([](auto& flag) { flag.value.store(1); }) == rule_list{});
    CHECK(flags::rules_of([](auto& flag) { flag.value.exchange(1); }) == rule_list{});
    CHECK(flags::rules_of([](auto& flag) { flag.value.fetch_add(1); }) == rule_list{});
    CHECK(flags::rules_of([](auto& flag) {
              int expected = 0;
              flag.value.compare_exchange_strong(expected, 1);
          })
          == rule_list{});
    CHECK(flags::rules_of([](auto& flag) { flag.value.store(1, std::memory_order_relaxed); })
          == rule_list{"thread-race"});
}

TEST_CASE("what was set atomically on 16 bytes as well", "[threads]") {
    using flags = reused_flag<wide_flag>;
    CHECK(flags::rules_of(
              [](auto& flag) { __tsan_atomic128_store(&flag.value, 1, __ATOMIC_SEQ_CST); })
          == rule_list{});
    CHECK(flags::rules_of(
              [](auto& flag) { __tsan_atomic128_fetch_add(&flag.value, 1, __ATOMIC_SEQ_CST); })
          == rule_list{});
    CHECK(flags::rules_of([](auto& flag) {
              wide expected = 0;
              __tsan_atomic128_compare_exchange_strong(&flag.value, &expected, 1, __ATOMIC_SEQ_CST,
                                                       __ATOMIC_SEQ_CST);
          })
          == rule_list{});
}
