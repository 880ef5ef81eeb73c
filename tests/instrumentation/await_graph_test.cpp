// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/await_graph.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/shield.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_group.hpp>
#include <coroscope/runtime/wait.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <functional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using indices = std::vector<std::size_t>;

coro<> sleep_a_day() {
    co_await sleep_for(24h);
}

coro<> await_task(task<> t) {
    co_await t;
}

coro<> await_task_inside(task<> t) {
    co_await await_task(std::move(t));
}

coro<> await_both_tasks(task<> a, task<> b) {
    co_await gather(std::move(a), std::move(b));
}

coro<> lock_for_a_day(mutex& m) {
    const auto held = co_await m.scoped();
    co_await sleep_a_day();
}

/// Lets all tasks of the loop get as far as they can, then calls `look`.
coro<> settle_and_look(std::function<void()> look) {
    co_await sleep_for(1s);
    look();
}

void look_at(virtual_loop& v, std::function<void()> look) {
    v.loop.run_until_complete(settle_and_look(std::move(look)));
}

/// Lines differ from edit to edit, directories from machine to machine, and compilers spell the
/// unnamed namespace in two ways.
std::string comparable(const std::string& text) {
    static const std::regex position(R"(( |\n +)\S*/(\w+\.cpp):\d+)");
    static const std::regex unnamed(R"(\{anonymous\}::|\(anonymous namespace\)::)");
    return std::regex_replace(std::regex_replace(text, position, "$1$2"), unnamed, "");
}

std::string stack_of(const task_handle& t) {
    std::ostringstream out;
    print_async_stack(out, t);
    return comparable(out.str());
}

/// The names of those that wait for the first task of a graph.
std::vector<std::string> awaiting_first(const await_graph& graph) {
    std::vector<std::string> names;
    for (const auto i : graph.tasks.at(0).awaited_by) {
        names.push_back(graph.tasks.at(i).name);
    }
    return names;
}

}  // namespace

TEST_CASE("an async stack goes on through the tasks that wait") {
    virtual_loop v;
    auto leaf = v.loop.create_task(sleep_a_day(), "leaf");
    auto middle = v.loop.create_task(await_task_inside(leaf), "middle");
    v.loop.create_task(await_task(middle), "outer");
    std::string text;
    look_at(v, [&] { text = stack_of(leaf); });
    CHECK(text == "task 1 (leaf), waiting: sleep\n"
                  "  await_graph_test.cpp in sleep_a_day\n"
                  "awaited by task 2 (middle)\n"
                  "  await_graph_test.cpp in await_task\n"
                  "  await_graph_test.cpp in await_task_inside\n"
                  "awaited by task 3 (outer)\n"
                  "  await_graph_test.cpp in await_task\n");
}

TEST_CASE("a task that has not begun shows where it was created") {
    virtual_loop v;
    auto t = v.loop.create_task(sleep_a_day(), "new");
    const auto text = stack_of(t);
    CHECK(text.find("task 1 (new), ready\n  created at await_graph_test.cpp in ") == 0);
    t.cancel();
    look_at(v, [] {});
}

TEST_CASE("a diamond is no circle, and its top is there once") {
    virtual_loop v;
    auto bottom = v.loop.create_task(sleep_a_day(), "bottom");
    auto left = v.loop.create_task(await_task(bottom), "left");
    auto right = v.loop.create_task(await_task(bottom), "right");
    v.loop.create_task(await_both_tasks(left, right), "top");
    await_graph graph;
    std::string text;
    look_at(v, [&] {
        graph = capture_await_graph(bottom);
        text = stack_of(bottom);
    });
    REQUIRE(graph.tasks.size() == 4);
    CHECK(graph.tasks[0].awaited_by == indices{1, 2});
    CHECK(graph.tasks[1].awaited_by == indices{3});
    CHECK(graph.tasks[2].awaited_by == indices{3});
    CHECK(graph.tasks[3].awaits == indices{1, 2});
    CHECK(graph.circles().empty());
    CHECK(text
          == "task 1 (bottom), waiting: sleep\n"
             "  await_graph_test.cpp in sleep_a_day\n"
             "  awaited by task 2 (left)\n"
             "    await_graph_test.cpp in await_task\n"
             "  awaited by task 4 (top)\n"
             "    await_graph_test.cpp in await_both_tasks\n"
             "  awaited by task 3 (right)\n"
             "    await_graph_test.cpp in await_task\n"
             "  awaited by task 4 (top): see above\n");
}

TEST_CASE("tasks that await each other are a circle") {
    struct pair {
        task<> first;
        task<> second;
    };
    coro<> (*await_second)(pair&) = [](pair& p) -> coro<> {
        co_await p.second;
    };
    pair p;
    virtual_loop v;
    p.first = v.loop.create_task(await_second(p), "first");
    p.second = v.loop.create_task(await_task(p.first), "second");
    auto outside = v.loop.create_task(await_task(p.second), "outside");
    await_graph graph;
    await_graph whole;
    std::string text;
    std::ostringstream tree;
    look_at(v, [&] {
        graph = capture_await_graph(p.first);
        whole = capture_await_graph(v.loop);
        text = stack_of(p.first);
        print_await_tree(tree, whole);
    });
    REQUIRE(graph.tasks.size() == 3);
    CHECK(graph.circles() == std::vector<indices>{{0, 1}});
    CHECK(whole.circles() == std::vector<indices>{{0, 1}});
    CHECK(text.find("awaited by task 1 (first): a circle\n") != std::string::npos);
    CHECK(tree.str().find(
              "a circle of tasks that wait for each other:\n  task 1 (first), waiting: task 2")
          == 0);
    p.first.cancel();
    look_at(v, [] {});
}

TEST_CASE("a circle of three is one, whatever its members wait for besides") {
    struct ring {
        std::vector<task<>> members;
        task<> besides;
    };
    coro<> (*await_next)(ring&, std::size_t) = [](ring& r, std::size_t i) -> coro<> {
        co_await r.members[(i + 1) % r.members.size()];
    };
    coro<> (*await_both)(ring&) = [](ring& r) -> coro<> {
        co_await gather(r.members[1], r.besides);
    };
    ring r;
    virtual_loop v;
    r.besides = v.loop.create_task(sleep_a_day(), "besides");
    r.members.push_back(v.loop.create_task(await_both(r), "first"));
    r.members.push_back(v.loop.create_task(await_next(r, 1), "second"));
    r.members.push_back(v.loop.create_task(await_next(r, 2), "third"));
    await_graph graph;
    std::ostringstream out;
    look_at(v, [&] {
        graph = capture_await_graph(v.loop);
        print_await_tree(out, graph);
    });
    CHECK(graph.circles() == std::vector<indices>{{1, 2, 3}});
    CHECK(std::regex_replace(comparable(out.str()), std::regex(" in [^\n]*"), " in F")
          == "a circle of tasks that wait for each other:\n"
             "  task 2 (first), waiting: gather 1, at await_graph_test.cpp in F\n"
             "  task 3 (second), waiting: task 4, at await_graph_test.cpp in F\n"
             "  task 4 (third), waiting: task 2, at await_graph_test.cpp in F\n"
             "task 5 (task-5), running, at await_graph_test.cpp in F\n"
             "task 2 (first), waiting: gather 1, at await_graph_test.cpp in F\n"
             "  task 1 (besides), waiting: sleep, at await_graph_test.cpp in F\n"
             "  task 3 (second), waiting: task 4, at await_graph_test.cpp in F\n"
             "    task 4 (third), waiting: task 2, at await_graph_test.cpp in F\n");
    r.members[0].cancel();
    look_at(v, [] {});
}

TEST_CASE("a task that awaits itself through a gather is a circle of one") {
    task<> self;
    virtual_loop v;
    coro<> (*await_self)(task<>&) = [](task<>& t) -> coro<> {
        co_await gather(t);
    };
    self = v.loop.create_task(await_self(self), "self");
    await_graph graph;
    std::ostringstream tree;
    look_at(v, [&] {
        graph = capture_await_graph(v.loop);
        print_await_tree(tree, graph);
    });
    CHECK(graph.circles() == std::vector<indices>{{0}});
    CHECK(stack_of(self).find("awaited by task 1 (self): a circle\n") != std::string::npos);
    CHECK(tree.str().find("\ntask 1 (self), waiting: gather 1") != std::string::npos);
    self.cancel();
    look_at(v, [] {});
}

TEST_CASE("a second way into a circle is not one of its own") {
    struct pair {
        task<> leaf;
        task<> other;
    };
    coro<> (*await_both)(pair&, task<>) = [](pair& p, task<> between) -> coro<> {
        co_await gather(std::move(between), p.leaf, p.other);
    };
    pair p;
    virtual_loop v;
    p.leaf = v.loop.create_task(sleep_a_day(), "leaf");
    auto between = v.loop.create_task(await_task(p.leaf), "between");
    auto inside = v.loop.create_task(await_both(p, between), "inside");
    p.other = v.loop.create_task(await_task(inside), "other");
    std::string text;
    look_at(v, [&] { text = stack_of(p.leaf); });
    CHECK(text.find("awaited by task 3 (inside): see above\n") != std::string::npos);
    CHECK(text.find("awaited by task 3 (inside): a circle\n") != std::string::npos);
    p.leaf.cancel();
    p.other.cancel();
    look_at(v, [] {});
}

TEST_CASE("a task that waits for another in two ways is there once") {
    coro<> (*await_twice)(task<>) = [](task<> t) -> coro<> {
        co_await gather(t, t);
    };
    virtual_loop v;
    auto child = v.loop.create_task(sleep_a_day(), "child");
    v.loop.create_task(await_twice(child), "parent");
    await_graph graph;
    look_at(v, [&] { graph = capture_await_graph(child); });
    CHECK(awaiting_first(graph) == std::vector<std::string>{"parent"});
}

TEST_CASE("who waits through something else is found") {
    virtual_loop v;
    auto child = v.loop.create_task(sleep_a_day(), "child");
    coro<> (*waiting)(task<>);
    SECTION("gather") {
        waiting = [](task<> t) -> coro<> {
            co_await gather(std::move(t));
        };
    }
    SECTION("shield") {
        waiting = [](task<> t) -> coro<> {
            co_await shield(std::move(t));
        };
    }
    SECTION("wait") {
        waiting = [](task<> t) -> coro<> {
            std::vector<any_task> tasks{t};
            const auto done = co_await wait(tasks);
            static_cast<void>(done);
        };
    }
    SECTION("wait_for") {
        waiting = [](task<> t) -> coro<> {
            co_await wait_for(std::move(t), 48h);
        };
    }
    SECTION("as_completed") {
        waiting = [](task<> t) -> coro<> {
            std::vector<task<>> tasks{std::move(t)};
            auto results = as_completed(std::move(tasks));
            co_await results.next();
        };
    }
    v.loop.create_task(waiting(child), "parent");
    await_graph graph;
    look_at(v, [&] { graph = capture_await_graph(child); });
    CHECK(awaiting_first(graph) == std::vector<std::string>{"parent"});
}

TEST_CASE("a task group waits for its tasks from the end of its body on") {
    struct group_run {
        task_group group;
        task<> child;
    };
    coro<> (*body)(group_run&) = [](group_run& r) -> coro<> {
        r.child = r.group.create_task(sleep_a_day(), "child");
        co_await sleep_for(2s);
    };
    coro<> (*whole)(group_run&, coro<>) = [](group_run& r, coro<> b) -> coro<> {
        co_await r.group.run(std::move(b));
    };
    group_run r;
    virtual_loop v;
    v.loop.create_task(whole(r, body(r)), "parent");
    await_graph graph;
    look_at(v, [&] { graph = capture_await_graph(r.child); });
    CHECK(awaiting_first(graph).empty());
    look_at(v, [] {});
    look_at(v, [&] { graph = capture_await_graph(r.child); });
    CHECK(awaiting_first(graph) == std::vector<std::string>{"parent"});
}

TEST_CASE("a task that gave up waiting is not in the graph") {
    virtual_loop v;
    auto child = v.loop.create_task(sleep_a_day(), "child");
    coro<> (*impatient)(task<>) = [](task<> t) -> coro<> {
        std::vector<any_task> tasks{t};
        const auto done = co_await wait(tasks, return_when::all_completed, 1ms);
        static_cast<void>(done);
        co_await sleep_for(24h);
    };
    await_graph in_between;  // it is ready, and has not run yet
    v.loop.call_later(1ms, [&] { in_between = capture_await_graph(child); });
    v.loop.create_task(impatient(child), "impatient");
    await_graph graph;
    look_at(v, [&] { graph = capture_await_graph(child); });
    CHECK(awaiting_first(in_between).empty());
    CHECK(awaiting_first(graph).empty());
}

TEST_CASE("the tasks of a loop as a tree") {
    mutex m;
    virtual_loop v;
    coro<> (*lock)(mutex&) = [](mutex& of) -> coro<> {
        const auto held = co_await of.scoped();
        co_await sleep_for(24h);
    };
    v.loop.create_task(lock(m), "holder");
    auto blocked = v.loop.create_task(lock(m), "blocked");
    v.loop.create_task(await_task(blocked), "outer");
    std::ostringstream tree;
    look_at(v, [&] { print_await_tree(tree, capture_await_graph(v.loop)); });
    const auto text = std::regex_replace(comparable(tree.str()), std::regex(" in [^\n]*"), " in F");
    CHECK(text
          == "task 3 (outer), waiting: task 2, at await_graph_test.cpp in F\n"
             "  task 2 (blocked), waiting: mutex 1, held by task 1, at await_graph_test.cpp in F\n"
             "    task 1 (holder), waiting: sleep, at await_graph_test.cpp in F\n"
             "task 4 (task-4), running, at await_graph_test.cpp in F\n");
}

TEST_CASE("an async stack goes on through those that wait for a mutex") {
    mutex m;
    virtual_loop v;
    auto holder = v.loop.create_task(lock_for_a_day(m), "holder");
    v.loop.create_task(lock_for_a_day(m), "blocked");
    std::string text;
    look_at(v, [&] { text = stack_of(holder); });
    CHECK(text
          == "task 1 (holder), waiting: sleep\n"
             "  await_graph_test.cpp in sleep_a_day\n"
             "  await_graph_test.cpp in lock_for_a_day\n"
             "holds up task 2 (blocked), waiting: mutex 1, held by task 1\n"
             "  await_graph_test.cpp in lock_for_a_day\n");
}

TEST_CASE("tasks that wait for each other's mutexes are a circle") {
    mutex a;
    mutex b;
    virtual_loop v;
    coro<> (*lock_both)(mutex&, mutex&) = [](mutex& first, mutex& second) -> coro<> {
        const auto one = co_await first.scoped();
        co_await yield_now();
        const auto other = co_await second.scoped();
    };
    auto t = v.loop.create_task(lock_both(a, b), "ab");
    v.loop.create_task(lock_both(b, a), "ba");
    await_graph graph;
    look_at(v, [&] { graph = capture_await_graph(v.loop); });
    CHECK(graph.circles() == std::vector<indices>{{0, 1}});
    CHECK(graph.tasks.at(0).holder == graph.tasks.at(1).id);
    t.cancel();
    look_at(v, [&] { graph = capture_await_graph(v.loop); });
    CHECK(graph.circles().empty());
}

TEST_CASE("a task that waits to be notified is held up by nobody") {
    condition c;
    virtual_loop v;
    coro<> (*hold)(condition&) = [](condition& of) -> coro<> {
        const auto held = co_await of.scoped();
        co_await sleep_a_day();
    };
    coro<> (*wait_for_notice)(condition&) = [](condition& of) -> coro<> {
        const auto held = co_await of.scoped();
        co_await of.wait();
    };
    v.loop.create_task(wait_for_notice(c), "waiting");
    auto holder = v.loop.create_task(hold(c), "holder");
    await_graph graph;
    look_at(v, [&] { graph = capture_await_graph(holder); });
    CHECK(awaiting_first(graph).empty());
    CHECK(graph.tasks.at(0).holder == 0);
}

TEST_CASE("a long chain of tasks is captured and written without recursion") {
    virtual_loop v;
    constexpr std::size_t length = 50'000;
    auto first = v.loop.create_task(sleep_a_day(), "first");
    auto last = first;
    for (std::size_t i = 1; i < length; ++i) {
        last = v.loop.create_task(await_task(last));
    }
    await_graph graph;
    std::ostringstream out;
    look_at(v, [&] {
        graph = capture_await_graph(first);
        print_async_stack(out, first);
        print_await_tree(out, graph);
    });
    CHECK(graph.tasks.size() == length);
    CHECK(graph.circles().empty());
    first.cancel();
    CHECK_THROWS_AS(v.loop.run_until_complete(last), cancelled_error);
}
