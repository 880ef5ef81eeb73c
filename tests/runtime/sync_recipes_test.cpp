// SPDX-License-Identifier: Apache-2.0
// What asyncio's textbooks do with locks, events, conditions, semaphores and queues, with the
// outcomes and the virtual times that they state.
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sync.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <barrier>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::duration;
using coroscope::gather;
using namespace std::chrono_literals;

namespace {

// --- Locks

using shared_values = std::map<std::string, int>;

coro<> add_with_delay(shared_values& values, std::string key, int value, duration delay) {
    const int old = values[key];
    co_await coroscope::sleep_for(delay);
    values[key] = old + value;
}

coro<> add_locked(coroscope::mutex& m, shared_values& values, std::string key, int value,
                  duration delay) {
    const auto lock = co_await m.scoped();
    co_await add_with_delay(values, std::move(key), value, delay);
}

}  // namespace

TEST_CASE("recipe: two workers add under no lock and lose an update, under one lock they do not",
          "[sync]") {
    virtual_loop v;
    shared_values values;
    auto body = [](shared_values& x, virtual_loop& in) -> coro<> {
        co_await gather(add_with_delay(x, "value", 1, 3s), add_with_delay(x, "value", 1, 2s));
        CHECK(x["value"] != 2);
        CHECK(x["value"] == 1);
        CHECK(in.clock.elapsed() == 3s);
        x["value"] = 0;
        coroscope::mutex m;
        co_await gather(add_locked(m, x, "value", 1, 3s), add_locked(m, x, "value", 1, 2s));
        CHECK(x["value"] == 2);
        CHECK(in.clock.elapsed() == 8s);
    };
    v.loop.run_until_complete(body(values, v));
}

namespace {

// --- Events

coro<> shutdown(coroscope::event& e, duration delay) {
    co_await coroscope::sleep_for(delay);
    e.set();
}

coro<> cleanup(coroscope::event& e, std::vector<int>& mess, std::vector<std::string>& log) {
    co_await e.wait();
    log.push_back("Cleaning up the mess: " + std::to_string(mess.size()) + " pieces");
    mess.clear();
}

coro<> busy_loop(coroscope::event& e, std::vector<int>& mess, std::vector<std::string>& log) {
    std::mt19937 random(1);
    while (!e.is_set()) {
        mess.push_back(1 + static_cast<int>(random() % 10));
        log.push_back("Adding the mess: " + std::to_string(mess.back()) + "...");
        co_await coroscope::sleep_for(1s);
    }
    log.emplace_back("Shutdown event was set..");
}

}  // namespace

TEST_CASE("recipe: an event after ten seconds ends a loop of ten rounds and starts the cleanup",
          "[sync]") {
    virtual_loop v;
    std::vector<std::string> log;
    std::vector<int> mess;
    auto body = [](std::vector<int>& m, std::vector<std::string>& to) -> coro<> {
        coroscope::event e;
        co_await gather(shutdown(e, 10s), cleanup(e, m, to), busy_loop(e, m, to));
    };
    v.loop.run_until_complete(body(mess, log));
    CHECK(v.clock.elapsed() == 10s);
    CHECK(mess.empty());
    REQUIRE(log.size() == 12);
    CHECK(std::count_if(log.begin(), log.end(),
                        [](const std::string& line) { return line.find("Adding") == 0; })
          == 10);
    CHECK(log[10] == "Shutdown event was set..");
    CHECK(log[11] == "Cleaning up the mess: 10 pieces");
}

namespace {

// --- Conditions: the stock watcher

class market_exception : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct market {
    std::map<std::string, int> prices{{"DAX", 100}, {"SPR", 10}, {"AMAZON", 1000}};
    coroscope::mutex access;
    std::map<std::string, coroscope::condition> changed;
    std::vector<std::string> log;
    int quotes = 0;

    market() {
        for (const auto& [name, price] : prices) {
            changed.try_emplace(name, access);
        }
    }
};

coro<> watch(market& m, std::string name) {
    auto& changed = m.changed.at(name);
    const auto lock = co_await changed.scoped();
    m.log.push_back("Waiting for " + name + " to be under -50$");
    const auto is_low = [&] {
        return m.prices[name] < -50;
    };
    co_await changed.wait_for(is_low);
    throw market_exception(name + " is under -50$");
}

coro<> quote(market& m, std::uint32_t seed) {
    std::mt19937 random(seed);
    const std::vector<std::string> names{"DAX", "SPR", "AMAZON"};
    for (;;) {
        const auto& name = names[random() % names.size()];
        bool is_low = false;
        {
            const auto lock = co_await m.access.scoped();
            m.prices[name] -= 1 + static_cast<int>(random() % 10);
            ++m.quotes;
            m.log.push_back("New stock market value for " + name + ": "
                            + std::to_string(m.prices[name]));
            is_low = m.prices[name] < -50;
            if (is_low) { m.changed.at(name).notify_all(); }
        }
        if (is_low) { co_await coroscope::sleep_for(100ms); }
        co_await coroscope::yield_now();
    }
}

coro<std::string> trade(market& m, std::uint32_t seed) {
    const auto before = m.prices;
    std::string why;
    try {
        co_await gather(watch(m, "DAX"), watch(m, "SPR"), watch(m, "AMAZON"), quote(m, seed));
    } catch (const market_exception& e) { why = e.what(); }
    m.log.emplace_back("Restoring the stock market..");
    m.prices = before;
    co_return why;
}

}  // namespace

TEST_CASE("recipe: watchers wait on conditions of one lock for their stock to fall", "[sync]") {
    market m;
    virtual_loop v;  // ends first: watchers still wait
    const auto why = v.loop.run_until_complete(trade(m, 7));
    CHECK(why == "SPR is under -50$");
    CHECK(v.clock.elapsed() == 0s);  // the watcher goes first
    CHECK(m.prices["SPR"] == 10);
    CHECK(m.log[0] == "Waiting for DAX to be under -50$");
    CHECK(m.log[2] == "Waiting for AMAZON to be under -50$");
    CHECK(m.log.back() == "Restoring the stock market..");
    const auto& last = m.log[m.log.size() - 2];
    CHECK(last.find("New stock market value for SPR: -5") == 0);
    CHECK(m.quotes >= 6);
}

namespace {

/// `execute_on`: the worker pops ten numbers, one each quarter of a second; then the condition
/// holds.
coro<> pop_all(coroscope::condition& c, std::vector<int>& numbers) {
    while (!numbers.empty()) {
        co_await coroscope::sleep_for(250ms);
        const auto lock = co_await c.scoped();
        numbers.pop_back();
        c.notify_all();
    }
}

coro<std::string> execute_when_empty(coroscope::condition& c, std::vector<int>& numbers) {
    const auto lock = co_await c.scoped();
    const auto is_empty = [&] {
        return numbers.empty();
    };
    co_await c.wait_for(is_empty);
    co_return "Finished!";
}

// --- Semaphores

struct crowd {
    int inside = 0;
    int most = 0;
    int served = 0;
};

coro<> work(coroscope::semaphore& s, crowd& c) {
    const auto permit = co_await s.scoped();
    c.most = std::max(c.most, ++c.inside);
    co_await coroscope::sleep_for(1s);
    --c.inside;
    ++c.served;
}

coro<> work_all(coroscope::semaphore& s, crowd& c) {
    std::vector<coro<>> all;
    for (int i = 0; i < 100; ++i) {
        all.push_back(work(s, c));
    }
    co_await gather(std::move(all));
}

}  // namespace

TEST_CASE("recipe: something is executed when a predicate holds, also if it held at once",
          "[sync]") {
    virtual_loop v;
    coroscope::condition c;
    std::vector<int> numbers(10, 1);
    v.loop.create_task(pop_all(c, numbers));
    CHECK(v.loop.run_until_complete(execute_when_empty(c, numbers)) == "Finished!");
    CHECK(v.clock.elapsed() == 2500ms);
    CHECK(v.loop.run_until_complete(execute_when_empty(c, numbers)) == "Finished!");
    CHECK(v.clock.elapsed() == 2500ms);
}

TEST_CASE("recipe: a hundred tasks of a second go through ten permits in ten seconds", "[sync]") {
    virtual_loop v;
    crowd c;
    coroscope::bounded_semaphore s(10);
    v.loop.set_debug(GENERATE(true, false));
    v.loop.run_until_complete(work_all(s, c));
    CHECK(v.clock.elapsed() == 10s);
    CHECK(c.most == 10);
    CHECK(c.served == 100);
    CHECK(s.value() == 10);
    CHECK_THROWS_AS(s.release(), coroscope::invalid_state_error);
}

namespace {

// --- Races

using dictionary = std::map<std::string, double>;

coro<> delayed_add(duration delay, dictionary& d, std::string key, double value) {
    const double old = d[key];
    co_await coroscope::sleep_for(delay);
    d[key] = old + value;
}

coro<> exclusive_add(coroscope::mutex& m, duration delay, dictionary& d, std::string key,
                     double value) {
    const auto lock = co_await m.scoped();
    co_await delayed_add(delay, d, std::move(key), value);
}

}  // namespace

TEST_CASE("recipe: a read, a sleep and a write lose what another coroutine wrote", "[sync]") {
    virtual_loop v;
    dictionary d{{"value", 0.0}};
    std::optional<double> at_one;
    v.loop.call_later(1500ms, [&] { at_one = d["value"]; });
    auto racing = [](dictionary& x) -> coro<> {
        co_await gather(delayed_add(2s, x, "value", 1.0), delayed_add(1s, x, "value", 1.0));
    };
    v.loop.run_until_complete(racing(d));
    CHECK(v.clock.elapsed() == 2s);
    CHECK(at_one == 1.0);
    CHECK(d["value"] != 2.0);
    CHECK(d["value"] == 1.0);

    auto cured = [](dictionary& x) -> coro<> {
        coroscope::mutex m;
        x["value"] = 0;
        co_await gather(exclusive_add(m, 2s, x, "value", 1.0),
                        exclusive_add(m, 1s, x, "value", 1.0));
    };
    v.loop.run_until_complete(cured(d));
    CHECK(v.clock.elapsed() == 5s);
    CHECK(d["value"] == 2.0);
}

namespace {

void add_in_two_parts(int& value, std::mutex& access, std::barrier<>& both_have_read) {
    int old = 0;
    {
        const std::lock_guard lock(access);
        old = value;
    }
    both_have_read.arrive_and_wait();
    const std::lock_guard lock(access);
    value = old + 1;
}

}  // namespace

TEST_CASE("recipe: threads that lock each access alone lose an update, one lock around both cures",
          "[sync]") {
    coroscope::loop loop;
    int value = 0;
    std::mutex access;
    std::barrier<> both_have_read(2);  // instead of the recipe's sleeps
    auto add_alone = [&] {
        add_in_two_parts(value, access, both_have_read);
    };
    auto add_whole = [&] {
        const std::lock_guard lock(access);
        const int old = value;
        value = old + 1;
    };
    auto twice = [](coroscope::loop& in, std::function<void()> f) -> coro<> {
        auto first = in.run_in_executor(f);
        auto second = in.run_in_executor(f);
        co_await first;
        co_await second;
    };
    loop.set_default_executor(std::make_shared<coroscope::thread_pool_executor>(10));
    loop.run_until_complete(twice(loop, add_alone));
    CHECK(value == 1);
    value = 0;
    loop.run_until_complete(twice(loop, add_whole));
    CHECK(value == 2);
}

namespace {

// --- Queues

struct factory {
    coroscope::queue<int> items;
    coroscope::event finished;
    std::vector<std::string> log;
};

coro<> produce(factory& f) {
    for (int i = 0; i < 500; ++i) {
        f.items.put_nowait(i);
        co_await coroscope::yield_now();
    }
    f.finished.set();
}

/// As the recipe does it: asks again and again.
coro<> polling_worker(factory& f, std::string name) {
    while (!f.finished.is_set() || !f.items.empty()) {
        if (f.items.empty()) {
            co_await coroscope::yield_now();
            continue;
        }
        const int item = f.items.get_nowait();
        co_await coroscope::sleep_for(1s);
        f.log.push_back("worker " + name + ": " + std::to_string(item));
    }
}

/// As it is meant: waits.
coro<> waiting_worker(factory& f, std::string name) {
    try {
        for (;;) {
            const int item = co_await f.items.get();
            co_await coroscope::sleep_for(1s);
            f.log.push_back("worker " + name + ": " + std::to_string(item));
            f.items.task_done();
        }
    } catch (const coroscope::queue_shutdown&) { f.log.push_back(name + " goes home"); }
}

coro<> close_when_done(factory& f) {
    co_await f.finished.wait();
    co_await f.items.join();
    f.items.shutdown();
}

}  // namespace

TEST_CASE("recipe: ten workers take five hundred items of a second in fifty seconds", "[sync]") {
    virtual_loop v;
    factory f;
    const bool polls = GENERATE(true, false);
    auto body = [](factory& x, bool asks_again) -> coro<> {
        std::vector<coro<>> all;
        all.push_back(produce(x));
        for (int i = 0; i < 10; ++i) {
            auto name = std::to_string(i);
            all.push_back(asks_again ? polling_worker(x, name) : waiting_worker(x, name));
        }
        if (!asks_again) { all.push_back(close_when_done(x)); }
        co_await gather(std::move(all));
    };
    v.loop.run_until_complete(body(f, polls));
    CHECK(v.clock.elapsed() == 50s);
    CHECK(f.log.size() == (polls ? 500 : 510));
    CHECK(f.log[0] == "worker 0: 0");
    CHECK(f.items.empty());
}

TEST_CASE("recipe: a producer that finds the queue full says so and gives up", "[sync]") {
    virtual_loop v;
    coroscope::queue<int> q(3);
    std::string log;
    auto body = [](coroscope::queue<int>& x, std::string& to) -> coro<> {
        for (int i = 0; i < 5; ++i) {
            try {
                x.put_nowait(i);
            } catch (const coroscope::queue_full& e) {
                to = e.what();
                throw;
            }
            co_await coroscope::yield_now();
        }
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(body(q, log)), coroscope::queue_full);
    CHECK(log.find("is full (3 items)") != std::string::npos);
    CHECK(q.size() == 3);
}
