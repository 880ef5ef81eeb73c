// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <future>
#include <latch>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::read_tasks;
using coroscope::task_state;
using coroscope::task_view;
using coroscope::wait_kind;
using namespace std::chrono_literals;

namespace {

coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
}

void pass(virtual_loop& v) {
    v.loop.stop();
    v.loop.run_forever();
}

}  // namespace

TEST_CASE("the task table lists a loop's unfinished tasks in order of creation") {
    virtual_loop v;
    virtual_loop other;
    CHECK(read_tasks(v.loop.id()).empty());
    auto a = v.loop.create_task(nap(1h), "a");
    other.loop.create_task(nap(1h), "elsewhere");
    auto b = v.loop.create_task(nap(1s));
    auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 2);
    CHECK(views[0].name == "a");
    CHECK(views[0].id == a.id());
    CHECK(views[1].name == "task-2");
    CHECK(views[0].loop_id == v.loop.id());
    CHECK(views[0].state == task_state::ready);
    CHECK(views[0].steps == 0);
    CHECK(read_tasks().size() >= 3);
    v.loop.run_until_complete(b);
    views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 1);
    CHECK(views[0].id == a.id());
    v.loop.close();
    CHECK(read_tasks(v.loop.id()).empty());
}

TEST_CASE("the table says what a task waits for, on which object, since which line") {
    virtual_loop v;
    auto f = v.loop.create_future<>();
    auto on_future = [](coroscope::future<> x) -> coro<> {
        co_await x;
    };
    auto on_task = [](coroscope::task<> x) -> coro<> {
        co_await x;
    };
    auto on_gather = [](coro<> x) -> coro<> {
        co_await coroscope::gather(std::move(x));
    };
    auto sleeping = v.loop.create_task(nap(90s), "sleeping");
    v.loop.create_task(on_future(f), "on future");
    v.loop.create_task(on_task(sleeping), "on task");
    v.loop.create_task(on_gather(nap(1s)), "on gather");
    pass(v);
    pass(v);
    const auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 5);
    CHECK(views[0].waits_for == wait_kind::sleep);
    CHECK(views[0].wait_deadline == coroscope::time_point(90s));
    CHECK(coroscope::function_name(views[0].site).find("nap") != std::string::npos);
    CHECK(views[1].waits_for == wait_kind::future);
    CHECK(views[1].wait_object == f.id());
    CHECK_FALSE(views[1].wait_deadline.has_value());
    CHECK(views[2].waits_for == wait_kind::task);
    CHECK(views[2].wait_object == sleeping.id());
    CHECK(views[3].waits_for == wait_kind::gather);
    CHECK(views[4].parent_id == views[3].id);
    for (const auto& view : views) {
        CHECK(view.state == task_state::waiting);
        CHECK(view.steps == 1);
        CHECK(std::string(view.created_at.file_name()).find("task_table_test.cpp")
              != std::string::npos);
    }
}

TEST_CASE("a task that runs is listed as running, and its steps and time add up") {
    virtual_loop v;
    auto look = [](coroscope::loop& l, std::vector<task_view>& to) -> coro<> {
        co_await coroscope::yield_now();
        to = read_tasks(l.id());
        co_await coroscope::yield_now();
    };
    std::vector<task_view> during;
    v.loop.create_task(look(v.loop, during), "looking");
    pass(v);
    pass(v);
    REQUIRE(during.size() == 1);
    CHECK(during[0].state == task_state::running);
    CHECK(during[0].name == "looking");
    CHECK(during[0].waits_for == wait_kind::nothing);
    const auto after = read_tasks(v.loop.id());
    REQUIRE(after.size() == 1);
    CHECK(after[0].state == task_state::ready);
    CHECK(after[0].steps == 2);
    CHECK(after[0].busy > 0ns);
}

TEST_CASE("long names are whole in the table, very long ones cut, and steps stay right") {
    virtual_loop v;
    const std::string just_fits(coroscope::task_record::name_capacity, 'f');
    v.loop.create_task(nap(1h), just_fits);
    auto t = v.loop.create_task(nap(1h), std::string(100, 'n'));
    v.loop.create_task(nap(1h), std::string(300, 'v'));
    pass(v);
    const auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 3);
    CHECK(views[0].name == just_fits);
    CHECK(views[1].name == std::string(100, 'n'));
    CHECK(views[2].name == std::string(256, 'v'));
    t.set_name("renamed");
    CHECK(read_tasks(v.loop.id()).at(1).name == "renamed");
    CHECK(read_tasks(v.loop.id()).at(1).steps == 1);
}

TEST_CASE("a task that was renamed before it began can still be cancelled without running") {
    virtual_loop v;
    bool ran = false;
    auto body = [](bool& flag) -> coro<> {
        flag = true;
        co_return;
    };
    auto t = v.loop.create_task(body(ran));
    t.set_name("renamed");
    t.cancel();
    pass(v);
    CHECK(t.cancelled());
    CHECK_FALSE(ran);
}

TEST_CASE("a task with a large result is listed like any other") {
    struct large {
        std::array<char, 5000> text{};
    };
    virtual_loop v;
    auto make = []() -> coro<large> {
        co_await coroscope::sleep_for(1s);
        large l;
        l.text[4999] = 'z';
        co_return l;
    };
    auto t = v.loop.create_task(make(), "large");
    pass(v);
    REQUIRE(read_tasks(v.loop.id()).size() == 1);
    CHECK(read_tasks(v.loop.id())[0].name == "large");
    v.loop.run_until_complete(t);
    CHECK(t.result().text[4999] == 'z');
    CHECK(read_tasks(v.loop.id()).empty());
}

TEST_CASE("states and kinds have names") {
    CHECK(std::string(to_string(task_state::ready)) == "ready");
    CHECK(std::string(to_string(task_state::running)) == "running");
    CHECK(std::string(to_string(task_state::waiting)) == "waiting");
    CHECK(std::string(to_string(task_state::done)) == "done");
    CHECK(std::string(to_string(wait_kind::sleep)) == "sleep");
    CHECK(std::string(to_string(wait_kind::io)) == "io");
    CHECK(coroscope::display_name(3, "") == "task-3");
    CHECK(coroscope::display_name(3, "given") == "given");
}

TEST_CASE("other threads read the table while tasks come and go", "[threads]") {
    virtual_loop v;
    std::atomic<bool> enough = false;
    std::atomic<int> reads = 0;
    std::atomic<int> wrong = 0;
    std::latch reading(2);
    const auto read = [&] {
        reading.count_down();
        do {
            for (const auto& view : read_tasks(v.loop.id())) {
                const bool right = view.id != 0 && view.loop_id == v.loop.id()
                                   && (view.name == "task-" + std::to_string(view.id)
                                       || view.name == "main" || view.name == "named");
                if (!right) { ++wrong; }
            }
            ++reads;
        } while (!enough);
    };
    std::thread first(read);
    std::thread second(read);
    auto main = [](coroscope::loop& l, std::atomic<int>& count) -> coro<> {
        for (int i = 0; i < 100'000 && (i < 200 || count < 20); ++i) {
            std::vector<coroscope::task<>> some;
            for (int k = 0; k < 20; ++k) {
                some.push_back(l.create_task(nap(1ms * k), k % 2 == 0 ? "named" : ""));
            }
            some[3].cancel();
            some[5].set_name("named");
            for (std::size_t k = 0; k < some.size(); ++k) {
                if (k != 3) { co_await some[k]; }
            }
        }
    };
    reading.wait();
    v.loop.run_until_complete(v.loop.create_task(main(v.loop, reads), "main"));
    enough = true;
    first.join();
    second.join();
    CHECK(wrong == 0);
    CHECK(reads >= 20);
}

TEST_CASE("a task that lives throughout is in each snapshot exactly once, in its place",
          "[threads]") {
    constexpr std::size_t lasting = 50;
    virtual_loop v;
    std::atomic<bool> enough = false;
    std::atomic<int> reads = 0;
    std::atomic<int> wrong = 0;
    const auto create = [&v](std::size_t from, std::size_t to) {
        for (auto i = from; i < to; ++i) {
            v.loop.create_task(nap(24h), "lasting " + std::to_string(i));
        }
    };
    create(0, lasting / 2);
    pass(v);  // some sleep, others have yet to begin, and all of them stay
    create(lasting / 2, lasting);
    std::thread reader([&] {
        do {
            std::size_t seen = 0;
            for (const auto& view : read_tasks(v.loop.id())) {
                if (!view.name.starts_with("lasting")) { continue; }
                if (view.name != "lasting " + std::to_string(seen)) { ++wrong; }
                ++seen;
            }
            if (seen != lasting) { ++wrong; }
            ++reads;
        } while (!enough);
    });
    auto churn = [](coroscope::loop& l, std::atomic<int>& count) -> coro<> {
        for (int i = 0; i < 1'000'000 && count < 50; ++i) {
            std::vector<coroscope::task<>> some;
            for (int k = 0; k < 20; ++k) {
                some.push_back(l.create_task(nap(1ms * (k % 3)), "brief"));
            }
            for (auto& each : some) {
                co_await each;
            }
        }
    };
    v.loop.run_until_complete(v.loop.create_task(churn(v.loop, reads)));
    enough = true;
    reader.join();
    CHECK(wrong == 0);
    CHECK(reads >= 50);
    v.loop.close();
}

TEST_CASE("the table can be read while a loop is blocked", "[threads]") {
    coroscope::loop l;
    std::promise<void> blocked;
    std::promise<void> release;
    auto body = [](std::promise<void>& in, std::promise<void>& out) -> coro<> {
        co_await coroscope::yield_now();
        in.set_value();
        out.get_future().wait();
    };
    std::thread runner([&] { l.run_until_complete(body(blocked, release)); });
    blocked.get_future().wait();
    const auto views = read_tasks(l.id());
    release.set_value();
    runner.join();
    REQUIRE(views.size() == 1);
    CHECK(views[0].state == task_state::running);
}
