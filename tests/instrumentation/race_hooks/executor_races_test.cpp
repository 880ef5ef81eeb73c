// SPDX-License-Identifier: Apache-2.0
// Jobs on executor threads that use plain variables.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/races/shared.hpp>

#include "instrumentation/race_hooks/threaded_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::string_literals;

namespace {

using dictionary = std::map<std::string, double>;

constexpr unsigned body_of_add = __LINE__;
void add_from_thread(dictionary& d, unseen_event& mine, unseen_event& other) {
    const auto old = d["value"];
    mine.happen();
    other.wait();
    d["value"] = old + 1;
}

[[nodiscard]] std::string at(unsigned line) {
    return "executor_races_test.cpp:" + std::to_string(body_of_add + line) + " in ";
}

/// How often one has the other.
[[nodiscard]] unsigned count_of(const std::string& part, const std::string& in) {
    unsigned times = 0;
    for (auto i = in.find(part); i != std::string::npos; i = in.find(part, i + 1)) {
        ++times;
    }
    return times;
}

}  // namespace

TEST_CASE("a dictionary that two jobs update is found, with the four lines", "[threads]") {
    threaded_loop r;
    dictionary d{{"value", 0}};
    unseen_event first;
    unseen_event second;
    const auto rules = r.rules_of([&] { add_from_thread(d, first, second); },
                                  [&] { add_from_thread(d, second, first); });
    CHECK(d["value"] == 1);
    REQUIRE(rules == rule_list{"thread-race"});
    const auto found = r.races.findings()[0];
    INFO(found.message);
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(count_of(at(2), found.message) == 2);
    CHECK(count_of(at(5), found.message) == 2);
    CHECK(count_of("job 1 (of task 1 (main)) read", found.message) == 1);
    CHECK(count_of("job 2 (of task 1 (main)) read", found.message) == 1);
    unsigned lines = 0;
    for (const auto& label : {"first task", "other task"}) {
        const auto unit = std::ranges::find(found.evidence, label, &report::evidence_item::label);
        REQUIRE(unit != found.evidence.end());
        lines += unit->where.line;
    }
    CHECK(lines == 2 * threaded_loop::line_of_jobs + 1);
}

namespace {

void locked_add(dictionary& d, std::mutex& lock, int times) {
    for (int i = 0; i < times; ++i) {
        const std::scoped_lock held(lock);
        const auto old = d["value"];
        d["value"] = old + 1;
    }
}

constexpr unsigned body_of_adding_in_parts = __LINE__;
void add_in_parts(dictionary& d, std::mutex& lock, bool reads_again) {
    double old = 0;
    {
        const std::scoped_lock held(lock);
        old = d["value"];
    }
    const std::scoped_lock held(lock);
    if (reads_again) { old = d["value"]; }
    d["value"] = old + 1;
}

}  // namespace

TEST_CASE("a dictionary that two jobs update under one mutex is fine", "[threads]") {
    threaded_loop r;
    dictionary d{{"value", 0}};
    std::mutex lock;
    const auto add = [&] {
        locked_add(d, lock, 50);
    };
    CHECK(r.rules_of(add, add) == rule_list{});
    CHECK(d["value"] == 100);
}

TEST_CASE("under a mutex each it is not", "[threads]") {
    threaded_loop r;
    dictionary d{{"value", 0}};
    std::mutex one;
    std::mutex other;
    CHECK(r.rules_in_turn([&] { locked_add(d, one, 1); }, [&] { locked_add(d, other, 1); })
          == rule_list{"thread-race"});
}

TEST_CASE("an update in two locked parts loses another job's", "[threads]") {
    const bool reads_again = GENERATE(false, true);
    threaded_loop r;
    dictionary d{{"value", 0}};
    std::mutex lock;
    const auto add = [&] {
        add_in_parts(d, lock, reads_again);
    };
    const auto rules = r.rules_in_turn(add, add);
    CHECK(rules == (reads_again ? rule_list{} : rule_list{"stale-write"}));
    if (reads_again) { return; }
    const auto text = r.races.findings()[0].message;
    INFO(text);
    const auto line = [](unsigned n) {
        return "executor_races_test.cpp:" + std::to_string(body_of_adding_in_parts + n) + " in ";
    };
    CHECK(count_of(line(5), text) == 1);
    CHECK(count_of(line(9), text) == 2);
}

TEST_CASE("a lock of many readers and one writer keeps order", "[threads]") {
    threaded_loop r;
    dictionary d{{"value", 0}};
    std::shared_mutex lock;
    double found = 0;
    const auto read = [&] {
        const std::shared_lock held(lock);
        found = d.at("value");
    };
    const bool writes_alone = GENERATE(true, false);
    const auto write = [&] {
        const std::unique_lock held(lock, std::defer_lock);
        if (writes_alone) { lock.lock(); }
        d.at("value") = 1;
        if (writes_alone) { lock.unlock(); }
    };
    CHECK(r.rules_in_turn(read, write) == (writes_alone ? rule_list{} : rule_list{"thread-race"}));
}

TEST_CASE("who writes under a lock that many readers share writes beside them", "[threads]") {
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    std::shared_mutex lock;
    const bool is_shared = GENERATE(true, false);
    const auto add = [&] {
        std::shared_lock shared(lock, std::defer_lock);
        std::unique_lock alone(lock, std::defer_lock);
        if (is_shared) {
            shared.lock();
        } else {
            alone.lock();
        }
        *value += 1;
    };
    CHECK(r.rules_in_turn(add, add) == (is_shared ? rule_list{"thread-race"} : rule_list{}));
}

TEST_CASE("what an atomic variable hands over is in order, if it is asked for", "[threads]") {
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    std::atomic<bool> is_ready{false};
    const auto order = GENERATE(std::memory_order_release, std::memory_order_relaxed);
    const auto rules = r.rules_in_turn(
        [&] {
            *value = 1;
            is_ready.store(true, order);
        },
        [&] {
            while (!is_ready.load(std::memory_order_acquire)) {}
            *value += 1;
        });
    CHECK(*value == 2);
    CHECK(rules == (order == std::memory_order_release ? rule_list{} : rule_list{"thread-race"}));
}

TEST_CASE("fences make order out of relaxed operations", "[threads]") {
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    std::atomic<bool> is_ready{false};
    const bool has_fence = GENERATE(true, false);
    const auto rules = r.rules_in_turn(
        [&] {
            *value = 1;
            if (has_fence) { std::atomic_thread_fence(std::memory_order_release); }
            is_ready.store(true, std::memory_order_relaxed);
        },
        [&] {
            while (!is_ready.load(std::memory_order_relaxed)) {}
            std::atomic_thread_fence(std::memory_order_acquire);
            *value += 1;
        });
    CHECK(rules == (has_fence ? rule_list{} : rule_list{"thread-race"}));
}

TEST_CASE("an atomic counter is fine, and one that is read and then written is not", "[threads]") {
    threaded_loop r;
    std::atomic<int> counter{0};
    const bool is_one_operation = GENERATE(true, false);
    int last = 0;
    unseen_event has_read;
    unseen_event has_added;
    const auto rules = r.rules_of(
        [&] {
            if (is_one_operation) {
                counter += 1;
                has_read.happen();
                has_added.wait();
            } else {
                const int old = counter.load();
                has_read.happen();
                has_added.wait();
                counter.store(old + 1);
                last = old;  // so that no store is the last thing that a function does
            }
        },
        [&] {
            has_read.wait();
            counter += 1;
            has_added.happen();
        });
    CHECK(counter == (is_one_operation ? 2 : 1));
    CHECK(last == 0);
    CHECK(rules == (is_one_operation ? rule_list{} : rule_list{"stale-write"}));
}

TEST_CASE("what only reads is no race", "[threads]") {
    threaded_loop r;
    const bool writes = GENERATE(false, true);
    dictionary d{{"a", 1}, {"b", 2}};
    double sum = 0;
    CHECK(r.rules_in_turn([&] { sum = d.at("a") + d.at("b"); },
                          [&] {
                              const auto found = d.find("a");
                              if (found->second < 0 || writes) { found->second = 2; }
                          })
          == (writes ? rule_list{"thread-race"} : rule_list{}));
    CHECK(sum == 3);
}

namespace {

struct one_value {
    std::unique_ptr<int> value = std::make_unique<int>(0);
    std::mutex lock;
    std::condition_variable changed;
    std::promise<void> written;
    std::latch both{2};
    unseen_event is_waiting;  ///< and gives the lock back only when it does
    bool is_ready = false;
};
struct hand_over {
    std::string name;
    void (*give)(one_value&);
    void (*take)(one_value&);
};

void notify(one_value& v) {
    v.is_waiting.wait();
    const std::scoped_lock held(v.lock);
    v.is_ready = true;
    v.changed.notify_one();
}

[[nodiscard]] std::vector<hand_over> ways_to_hand_over() {
    return {{"a promise and its future", [](one_value& v) { v.written.set_value(); },
             [](one_value& v) {
                 v.written.get_future().wait();
             }},
            {"a latch", [](one_value& v) { v.both.count_down(); },
             [](one_value& v) {
                 v.both.arrive_and_wait();
             }},
            {"a condition", &notify,
             [](one_value& v) {
                 std::unique_lock held(v.lock);
                 v.is_waiting.happen();
                 v.changed.wait(held, [&] { return v.is_ready; });
             }},
            {"a condition with a time limit", &notify,
             [](one_value& v) {
                 std::unique_lock held(v.lock);
                 v.is_waiting.happen();
                 v.changed.wait_for(held, std::chrono::hours(1), [&] { return v.is_ready; });
             }},
            {"nothing", [](one_value&) {},
             [](one_value&) {
             }}};
}

}  // namespace

TEST_CASE("what is handed over between two threads is in order", "[threads]") {
    for (const auto& way : ways_to_hand_over()) {
        threaded_loop r;
        one_value shared;
        INFO(way.name);
        unseen_event ended;
        const auto rules = r.rules_of(
            [&] {
                *shared.value += 1;
                way.give(shared);
                ended.wait();
            },
            [&] {
                way.take(shared);
                *shared.value += 1;
                ended.happen();
            });
        CHECK(rules == (way.name == "nothing" ? rule_list{"thread-race"} : rule_list{}));
    }
}

TEST_CASE("the last owner comes after all others", "[threads]") {
    threaded_loop r;
    auto one = std::make_shared<std::vector<int>>(100);
    auto other = one;
    const auto use = [](std::shared_ptr<std::vector<int>>& mine) {
        static_cast<void>(mine->at(3));
        mine = nullptr;
    };
    CHECK(r.rules_in_turn([&] { use(one); }, [&] { use(other); }) == rule_list{});
}

TEST_CASE("memory that one thread frees and another gets is another", "[threads]") {
    threaded_loop r;
    std::vector<const void*> places(2);
    const auto use = [&](std::size_t which) {
        std::vector<std::unique_ptr<std::array<int, 300>>> many;
        for (int i = 0; i < 20; ++i) {
            many.push_back(std::make_unique<std::array<int, 300>>());
            many.back()->at(0) = 1;
        }
        places[which] = many.back().get();
    };
    CHECK(r.rules_in_turn([&] { use(0); }, [&] { use(1); }) == rule_list{});
}

TEST_CASE("a thread's own variables are its own, whichever job it runs", "[threads]") {
    static thread_local int own = 0;
    threaded_loop r;
    const auto use = [] {
        int local = 3;
        auto* const place = &local;
        *place += own;
        own = *place;
    };
    CHECK(r.rules_of(use, use) == rule_list{});
}

TEST_CASE("what an atomic pointer to something shared keeps for itself is in order", "[threads]") {
    threaded_loop r;
    std::atomic<std::shared_ptr<int>> shared{std::make_shared<int>(1)};
    int found = 0;
    CHECK(r.rules_in_turn([&] { found = *shared.load(); },
                          [&] { shared.store(std::make_shared<int>(2)); })
          == rule_list{});
    CHECK(found == 1);
}

namespace {

coro<> count_beside_job(executor& pool, int& hits, bool is_benign) {
    unseen_event is_counted;
    auto job = get_running_loop().run_in_executor(pool, [&] {
        hits += 1;
        is_counted.happen();
    });
    is_counted.wait();
    {
        std::optional<benign> why;
        if (is_benign) { why.emplace("an estimate is good enough"); }
        hits += 1;
    }
    co_await job;
}

}  // namespace

TEST_CASE("what the loop does beside a job may be benign", "[threads]") {
    const bool is_benign = GENERATE(true, false);
    threaded_loop r;
    auto hits = std::make_unique<int>(0);
    r.start(count_beside_job(r.pool, *hits, is_benign), "main");
    r.run();
    CHECK(r.rules() == (is_benign ? rule_list{} : rule_list{"thread-race"}));
    CHECK((r.races.benign_count() > 0) == is_benign);
}

TEST_CASE("a job's benign scope lasts until its own end", "[threads]") {
    const bool is_within = GENERATE(true, false);
    threaded_loop r;
    auto hits = std::make_unique<int>(0);
    const auto count = [&] {
        {
            const benign outer("an estimate is good enough");
            { const benign inner("for this, too"); }
            if (is_within) { *hits += 1; }
        }
        if (!is_within) { *hits += 1; }
    };
    CHECK(r.rules_in_turn(count, [&] { *hits += 1; })
          == (is_within ? rule_list{} : rule_list{"thread-race"}));
}

namespace {

struct race_and_reset {
    dictionary values{{"value", 0}};
    unseen_event first;
    unseen_event second;
    unseen_event is_reset;
    std::atomic<int> ended{0};

    void add(unseen_event& mine, unseen_event& other) {
        add_from_thread(values, mine, other);
        ended.fetch_add(1);
        is_reset.wait();
    }
};
coro<> reset_after(race_and_reset& of, executor& pool) {
    auto& loop = get_running_loop();
    auto one = loop.run_in_executor(pool, [&] { of.add(of.first, of.second); });
    auto two = loop.run_in_executor(pool, [&] { of.add(of.second, of.first); });
    while (of.ended.load() < 2) {
        std::this_thread::yield();
    }
    of.values["value"] = 0;
    of.is_reset.happen();
    of.is_reset.happen();
    co_await one;
    co_await two;
}

}  // namespace

TEST_CASE("a race is told with all its lines when its variable has come to somebody else's hands",
          "[threads]") {
    threaded_loop r;
    race_and_reset of;
    r.start(reset_after(of, r.pool), "main");
    r.run();
    REQUIRE(r.rules() == rule_list{"thread-race"});
    const auto text = r.races.findings()[0].message;
    INFO(text);
    CHECK(count_of(at(2), text) == 2);
    CHECK(count_of(at(5), text) == 2);
}

TEST_CASE("a static variable is made once", "[threads]") {
    threaded_loop r;
    const auto use = [] {
        static const std::map<int, int> table{{1, 2}};
        static_cast<void>(table.at(1));
    };
    CHECK(r.rules_in_turn(use, use) == rule_list{});
}
