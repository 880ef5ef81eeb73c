// SPDX-License-Identifier: Apache-2.0
// Threads that steps, jobs and other threads start, and what they see of each other.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/detail/memory_names.hpp>

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/race_hooks/threaded_loop.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <pthread.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

namespace {

using coroscope::instrumentation::detail::name_of_memory;
using coroscope::instrumentation::detail::place_in_memory;

const rule_list nothing;
const rule_list one_race{"thread-race"};

/// What the detector says of a step that calls this.
rule_list rules_of_step(std::function<void()> work) {
    threaded_loop r;
    auto step = [](std::function<void()> of) -> coro<> {
        of();
        co_return;
    };
    r.start(step(std::move(work)), "main");
    r.run();
    CHECK(r.failure.empty());
    return r.rules();
}

/// ... and of a job that does.
rule_list rules_of_job(std::function<void()> work) {
    threaded_loop r;
    return r.rules_of(std::move(work), [] {});
}

void* add_one(void* sum) {
    ++*static_cast<int*>(sum);
    return nullptr;
}

[[nodiscard]] pthread_t begin_adding(int& sum, const pthread_attr_t* how = nullptr) {
    pthread_t thread{};
    REQUIRE(pthread_create(&thread, how, &add_one, &sum) == 0);
    return thread;
}

void add_beside_thread(int& sum) {
    const auto thread = begin_adding(sum);
    ++sum;
    pthread_join(thread, nullptr);
}

void add_around_thread(int& sum) {
    ++sum;
    const auto thread = begin_adding(sum);
    pthread_join(thread, nullptr);
    ++sum;
}

}  // namespace

TEST_CASE("a thread that pthread_create starts is followed", "[threads]") {
    const auto sum = std::make_unique<int>(0);
    CHECK(rules_of_step([&] { add_beside_thread(*sum); }) == one_race);
    CHECK(rules_of_step([&] { add_around_thread(*sum); }) == nothing);
}

TEST_CASE("one that was joined by trying is ordered once it was", "[threads]") {
    const auto sum = std::make_unique<int>(0);
    CHECK(rules_of_step([&] {
              const auto thread = begin_adding(*sum);
              while (pthread_tryjoin_np(thread, nullptr) != 0) {
                  std::this_thread::yield();
              }
              ++*sum;
          })
          == nothing);
}

TEST_CASE("a thread that leaves by pthread_exit has ended as others do", "[threads]") {
    const auto sum = std::make_unique<int>(0);
    void* result = nullptr;
    CHECK(rules_of_step([&] {
              pthread_t thread{};
              const auto leave = [](void* to) -> void* {
                  add_one(to);
                  pthread_exit(to);
              };
              REQUIRE(pthread_create(&thread, nullptr, leave, sum.get()) == 0);
              pthread_join(thread, &result);
              ++*sum;
          })
          == nothing);
    CHECK(result == sum.get());
    CHECK(*sum == 2);
}

TEST_CASE("a thread that a job starts is followed", "[threads]") {
    const auto sum = std::make_unique<int>(0);
    CHECK(rules_of_job([&] { add_beside_thread(*sum); }) == one_race);
    CHECK(rules_of_job([&] { add_around_thread(*sum); }) == nothing);
}

TEST_CASE("two threads that a job starts race with each other, and say whose they are",
          "[threads]") {
    threaded_loop r;
    const auto sum = std::make_unique<int>(0);
    const auto rules = r.rules_of(
        [&] {
            std::thread one([&] { ++*sum; });
            std::thread other([&] { ++*sum; });
            one.join();
            other.join();
        },
        [] {});
    REQUIRE(rules == one_race);
    CHECK_THAT(r.races.findings()[0].message, Contains("(of job 1) read"));
}

TEST_CASE("a thread that a thread starts is followed", "[threads]") {
    const auto sum = std::make_unique<int>(0);
    CHECK(rules_of_step([&] { std::thread([&] { add_beside_thread(*sum); }).join(); }) == one_race);
    CHECK(rules_of_step([&] { std::thread([&] { add_around_thread(*sum); }).join(); }) == nothing);
}

namespace {

coro<> leave_thread(std::unique_ptr<int>& sum, bool joins_first) {
    std::thread left;
    auto begin = [&] {
        left = std::thread([&] { ++*sum; });
    };
    co_await get_running_loop().run_in_executor(begin);
    if (joins_first) { left.join(); }
    ++*sum;
    if (!joins_first) { left.join(); }
}

}  // namespace

TEST_CASE("a thread may outlive the job that started it, and be joined by the loop", "[threads]") {
    auto sum = std::make_unique<int>(0);
    for (const bool joins_first : {true, false}) {
        threaded_loop r;
        r.start(leave_thread(sum, joins_first), "main");
        r.run();
        CHECK(r.rules() == (joins_first ? nothing : one_race));
    }
}

TEST_CASE("what std::async does for a job is followed", "[threads]") {
    const auto sum = std::make_unique<int>(0);
    const auto add = [&](bool waits_first) {
        auto added = std::async(std::launch::async, [&] { ++*sum; });
        if (waits_first) { added.get(); }
        ++*sum;
    };
    CHECK(rules_of_job([&] { add(false); }) == one_race);
    CHECK(rules_of_job([&] { add(true); }) == nothing);
}

TEST_CASE("who starts a thread shows it what is on the stack", "[threads]") {
    const auto beside = [] {
        int sum = 0;
        add_beside_thread(sum);
    };
    const auto around = [] {
        int sum = 0;
        add_around_thread(sum);
    };
    CHECK(rules_of_step(beside) == one_race);
    CHECK(rules_of_job(beside) == one_race);
    CHECK(rules_of_step(around) == nothing);
    CHECK(rules_of_job(around) == nothing);
}

namespace {

[[gnu::noinline]] int sum_up(int of) {
    volatile int all[16];  // NOLINT(cppcoreguidelines-avoid-c-arrays)
    int sum = 0;
    for (auto& each : all) {
        each = of;
        sum += each;
    }
    return sum;
}

coro<> use_stack(int times) {
    for (int i = 0; i < times; ++i) {
        sum_up(i);
        co_await yield_now();
    }
}

}  // namespace

TEST_CASE("steps use one stack, one after the other, also while a thread is out", "[threads]") {
    threaded_loop r;
    unseen_event end;
    auto with_thread = [](unseen_event& until) -> coro<> {
        std::thread thread([&] { until.wait(); });
        for (int i = 0; i < 4; ++i) {
            sum_up(i);
            co_await yield_now();
        }
        until.happen();
        thread.join();
    };
    r.start(with_thread(end), "thread");
    r.start(use_stack(5), "one");
    r.start(use_stack(5), "other");
    r.run();
    CHECK(r.rules() == nothing);
}

namespace {

thread_local int own_number = 0;
std::atomic<bool> is_out{false};

/// Has a detached thread do it, without an order.
void do_detached(const std::function<void()>& work) {
    is_out.store(true, std::memory_order_relaxed);
    std::thread([work] {
        work();
        is_out.store(false, std::memory_order_relaxed);
    }).detach();
    while (is_out.load(std::memory_order_relaxed)) {
        std::this_thread::yield();
    }
}

}  // namespace

TEST_CASE("what a detached thread did is in no order with what follows, also when it has ended",
          "[threads]") {
    const auto sum = std::make_unique<int>(0);
    CHECK(rules_of_step([&] {
              do_detached([&] { ++*sum; });
              ++*sum;
          })
          == one_race);
}

TEST_CASE("threads that lie one after the other in the same memory share nothing", "[threads]") {
    CHECK(rules_of_step([] {
              for (int i = 0; i < 8; ++i) {
                  do_detached([] {
                      int sum = 0;
                      add_around_thread(sum);
                      ++own_number;
                  });
              }
          })
          == nothing);
}

TEST_CASE("a thread's own variable is another's, too, if it was shown", "[threads]") {
    const auto show = [](bool waits) {
        std::promise<int*> shown;
        unseen_event end;
        auto where = shown.get_future();
        std::thread thread([&] {
            if (waits) { ++own_number; }
            shown.set_value(&own_number);
            if (!waits) { ++own_number; }
            end.wait();
        });
        ++*where.get();
        end.happen();
        thread.join();
    };
    CHECK(rules_of_step([&] { show(false); }) == one_race);
    CHECK(rules_of_step([&] { show(true); }) == nothing);
}

TEST_CASE("a thread's own variable has no name, and keeps none from those that have", "[threads]") {
    CHECK_THAT(name_of_memory(place_in_memory(&own_number)).text, Equals(""));
    CHECK_THAT(name_of_memory(place_in_memory(&is_out)).text, Contains("is_out"));
}

namespace {

coro<> add_in_job(int& sum, bool waits) {
    auto added = get_running_loop().run_in_executor([&] { ++sum; });
    if (!waits) { ++sum; }
    co_await added;
    ++sum;
}

}  // namespace

TEST_CASE("a thread may run a loop: its jobs are followed, and what it does after that",
          "[threads]") {
    const auto sum = std::make_unique<int>(0);
    const auto run_loop = [&](bool waits) {
        std::thread([&] { run(add_in_job(*sum, waits)); }).join();
    };
    CHECK(rules_of_step([&] { run_loop(false); }) == one_race);
    CHECK(rules_of_step([&] { run_loop(true); }) == nothing);
    CHECK(rules_of_step([&] {
              std::thread thread([&] {
                  run(use_stack(1));
                  ++*sum;
              });
              ++*sum;
              thread.join();
          })
          == one_race);
}

TEST_CASE("std::atomic_load and its like of a shared pointer order", "[threads]") {
    auto text = std::make_shared<std::string>("one");
    CHECK(rules_of_step([&] {
              std::thread writer([&] {
                  for (int i = 1; i < 20; ++i) {
                      std::atomic_store(&text, std::make_shared<std::string>(40, 'x'));
                  }
              });
              for (int i = 0; i < 20; ++i) {
                  CHECK(!std::atomic_load(&text)->empty());
              }
              writer.join();
          })
          == nothing);
}
