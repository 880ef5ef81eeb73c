// SPDX-License-Identifier: Apache-2.0
// How a task's life is divided: it runs, it waits for its turn, it waits for what it asked for.
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <utility>

using coroscope::coro;
using coroscope::read_tasks;
using coroscope::step_clock;
using coroscope::task_record;
using coroscope::task_state;
using namespace std::chrono_literals;

namespace {

constexpr auto busy = 200us;

void spin() {
    const auto began = step_clock::now();
    while (step_clock::between(began, step_clock::now()) < busy) {}
}

coro<> yields(int times) {
    for (int i = 0; i < times; ++i) {
        co_await coroscope::yield_now();
    }
}

coro<> waits(coroscope::event& for_what) {
    co_await for_what.wait();
    co_await coroscope::sleep_for(1h);
}

void pass(virtual_loop& v) {
    v.loop.stop();
    v.loop.run_forever();
}

struct parts {
    std::uint64_t busy;
    std::uint64_t scheduled;
    std::uint64_t waiting;
    [[nodiscard]] std::uint64_t sum() const { return busy + scheduled + waiting; }
};

parts parts_of(const task_record& record) {
    return {record.busy_ticks.load(), record.scheduled_ticks.load(), record.waiting_ticks.load()};
}

}  // namespace

TEST_CASE("the parts of a task's life add up to all of it") {
    virtual_loop v;
    coroscope::event go;
    auto waiting = v.loop.create_task(waits(go));
    auto yielding = v.loop.create_task(yields(100));
    auto napping = v.loop.create_task([](coroscope::event& e) -> coro<> {
        co_await coroscope::sleep_for(5s);
        spin();
        e.set();
        co_await coroscope::sleep_for(1s);
    }(go));
    const auto born = waiting.core().record().changed_at.load();
    const auto born_later = napping.core().record().changed_at.load();
    v.loop.run_until_complete(napping);
    for (const auto& [task, since] :
         {std::pair(&waiting.core(), born), std::pair(&napping.core(), born_later)}) {
        const auto& record = task->record();
        CHECK(parts_of(record).sum() == record.changed_at.load() - since);
        CHECK(parts_of(record).waiting > 0);
    }
    CHECK(yielding.done());
}

TEST_CASE("a task that only yields waits for nothing but its turn") {
    virtual_loop v;
    auto other = v.loop.create_task([]() -> coro<> {
        for (int i = 0; i < 10; ++i) {
            spin();
            co_await coroscope::yield_now();
        }
    }());
    auto yielding = v.loop.create_task(yields(5));
    v.loop.run_until_complete(yielding);
    const auto record = parts_of(yielding.core().record());
    CHECK(record.waiting == 0);
    CHECK(step_clock::between(0, record.scheduled) >= 5 * busy);
    CHECK_FALSE(other.done());
}

TEST_CASE("from its wake-up on, a task waits for its turn: the step that woke it counts whole") {
    virtual_loop v;
    coroscope::event go;
    auto waiting = v.loop.create_task(waits(go));
    auto waking = v.loop.create_task([](coroscope::event& e) -> coro<> {
        e.set();
        spin();
        co_return;
    }(go));
    pass(v);  // both: the second begins where the first ended
    REQUIRE(waking.done());
    const auto before = parts_of(waiting.core().record());
    pass(v);
    const auto after = parts_of(waiting.core().record());
    CHECK(after.waiting - before.waiting == 0);
    CHECK(after.scheduled - before.scheduled >= waking.core().record().busy_ticks.load());
    v.loop.close();
}

TEST_CASE("what has not ended is counted up to the moment of looking") {
    virtual_loop v;
    coroscope::event go;
    v.loop.create_task(waits(go), "waiting");
    v.loop.create_task(yields(3), "ready");
    pass(v);
    spin();
    const auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 2);
    CHECK(views[0].state == task_state::waiting);
    CHECK(views[0].waiting >= busy);
    CHECK(views[1].state == task_state::ready);
    CHECK(views[1].scheduled >= busy);
    CHECK(views[1].waiting == 0ns);
    v.loop.close();
}

TEST_CASE("a loop that does not time its steps has no times of tasks either") {
    coroscope::loop_options options;
    options.time_stats = false;
    virtual_loop v(options);
    coroscope::event go;
    v.loop.create_task(waits(go));
    pass(v);
    spin();
    const auto view = read_tasks(v.loop.id()).at(0);
    CHECK(view.busy == 0ns);
    CHECK(view.waiting == 0ns);
    CHECK(view.scheduled == 0ns);
    CHECK(view.since_change == 0ns);
    v.loop.close();
}

TEST_CASE("a task that waits for a mutex is listed with the task that holds it now") {
    virtual_loop v;
    coroscope::mutex m;
    const auto holds = [](coroscope::mutex& lock) -> coro<> {
        const auto held = co_await lock.scoped();
        co_await coroscope::sleep_for(1s);
    };
    const auto first = v.loop.create_task(holds(m));
    const auto second = v.loop.create_task(holds(m));
    const auto third = v.loop.create_task(holds(m));
    pass(v);
    auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 3);
    CHECK(views[0].wait_owner == 0);
    CHECK(views[1].wait_owner == first.id());
    CHECK(views[2].wait_owner == first.id());
    v.loop.run_until_complete(first);
    pass(v);
    views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 2);
    CHECK(views[0].wait_owner == 0);
    CHECK(views[1].wait_owner == second.id());
    v.loop.close();
}
