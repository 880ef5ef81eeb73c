// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/as_completed.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::as_completed;
using coroscope::cancelled_error;
using coroscope::completed_tasks;
using coroscope::coro;
using coroscope::duration;
using coroscope::task;
using coroscope::timeout_error;
using namespace std::chrono_literals;

namespace {

coro<int> after(duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

/// Takes the rest; notes each result with the time.
coro<> collect(completed_tasks<task<int>> from, std::vector<std::pair<int, duration>>& into) {
    while (from.remaining() != 0) {
        auto t = co_await from.next();
        if (!t.has_value()) { break; }
        into.emplace_back(t->result(), coroscope::get_running_loop().time().time_since_epoch());
    }
}

using seen = std::vector<std::pair<int, duration>>;

}  // namespace

TEST_CASE("as_completed gives tasks in the order in which they finish", "[waiting]") {
    virtual_loop v;
    auto body = [](seen& into) -> coro<> {
        std::vector<coro<int>> work;
        work.push_back(after(3s, 3));
        work.push_back(after(1s, 1));
        work.push_back(after(2s, 2));
        co_await collect(as_completed(std::move(work)), into);
    };
    seen order;
    v.loop.run_until_complete(body(order));
    CHECK(order == seen{{1, 1s}, {2, 2s}, {3, 3s}});
}

TEST_CASE("tasks that finished before come first, in the order of the arguments", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l, seen& into) -> coro<> {
        std::vector<task<int>> tasks{l.create_task(after(9s, 9)), l.create_task(after(2s, 2)),
                                     l.create_task(after(1s, 1))};
        co_await coroscope::sleep_for(5s);
        co_await collect(as_completed(tasks), into);
    };
    seen order;
    v.loop.run_until_complete(body(v.loop, order));
    CHECK(order == seen{{2, 5s}, {1, 5s}, {9, 9s}});
}

TEST_CASE("next gives null once all were given; of nothing, at once", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<int> {
        auto t = l.create_task(after(1s, 1));
        auto twice = as_completed(std::vector<task<int>>{t, t});
        const auto before = twice.remaining();
        auto first = co_await twice.next();
        auto second = co_await twice.next();
        auto none = as_completed(std::vector<task<int>>());
        auto nothing = co_await none.next();
        co_return static_cast<int>(before) * 100 + first.has_value() * 10 + second.has_value()
            + nothing.has_value();
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 110);
}

TEST_CASE("failed and cancelled tasks are given, too", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<std::string> {
        auto thrower = []() -> coro<int> {
            throw std::runtime_error("bad");
            co_return 0;
        };
        std::vector<coroscope::any_task> tasks{l.create_task(thrower()),
                                               l.create_task(after(1h, 1))};
        tasks[1].cancel();
        auto finished = as_completed(tasks);
        auto a = co_await finished.next();
        auto b = co_await finished.next();
        co_return std::string(a->exception() != nullptr ? "failed" : "?")
            + (b->cancelled() ? " cancelled" : "?");
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == "failed cancelled");
}

TEST_CASE("when the time is up next throws, after what finished in time was given", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l, seen& into) -> coro<std::string> {
        std::vector<task<int>> tasks{l.create_task(after(1s, 1)), l.create_task(after(5s, 5)),
                                     l.create_task(after(2s, 2))};
        auto finished = as_completed(tasks, 3s);
        std::string text;
        try {
            co_await collect(finished, into);
        } catch (const timeout_error& e) { text = e.what(); }
        const bool again = [&] {
            return finished.remaining() == 1;
        }();
        co_await coroscope::sleep_for(4s);  // the late one finishes, too late
        try {
            co_await finished.next();
            text = "given";
        } catch (const timeout_error&) {
            if (!again) { text = "remaining"; }
        }
        co_return text;
    };
    seen order;
    const auto text = v.loop.run_until_complete(body(v.loop, order));
    CHECK_THAT(text, Catch::Contains("1 of 3 tasks") && Catch::Contains("as_completed_test.cpp"));
    CHECK(order == seen{{1, 1s}, {2, 2s}});
    CHECK(v.clock.elapsed() == 7s);
}

TEST_CASE("what finished before the timeout is given after it", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l, seen& into) -> coro<bool> {
        std::vector<task<int>> tasks{l.create_task(after(1s, 1)), l.create_task(after(5s, 5))};
        auto finished = as_completed(tasks, 2s);
        co_await coroscope::sleep_for(3s);
        bool late = false;
        try {
            co_await collect(finished, into);
        } catch (const timeout_error&) { late = true; }
        tasks[1].cancel();
        co_return late;
    };
    seen order;
    CHECK(v.loop.run_until_complete(body(v.loop, order)));
    CHECK(order == seen{{1, 3s}});
}

TEST_CASE("a loop over as_completed may be left early; the tasks run on", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<int> {
        std::vector<task<int>> tasks{l.create_task(after(1s, 1)), l.create_task(after(2s, 2))};
        {
            auto finished = as_completed(tasks, 1h);
            co_await finished.next();
        }
        const int n = co_await tasks[1];
        co_return n;
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 2);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("several tasks may ask; each finished task goes to one, first come first served",
          "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l, seen& a, seen& b) -> coro<> {
        std::vector<task<int>> tasks;
        for (int i = 1; i <= 5; ++i) {
            tasks.push_back(l.create_task(after(std::chrono::seconds(i), i)));
        }
        auto finished = as_completed(tasks);
        auto one = l.create_task(collect(finished, a));
        auto two = l.create_task(collect(finished, b));
        co_await one;
        co_await two;
    };
    seen a;
    seen b;
    v.loop.run_until_complete(body(v.loop, a, b));
    CHECK(a == seen{{1, 1s}, {3, 3s}, {5, 5s}});
    CHECK(b == seen{{2, 2s}, {4, 4s}});
}

TEST_CASE("cancelling the one who asks loses no task", "[waiting]") {
    virtual_loop v;
    auto work = std::vector<task<int>>{v.loop.create_task(after(1s, 1))};
    auto start = [](std::vector<task<int>> tasks) -> coro<completed_tasks<task<int>>> {
        co_return as_completed(tasks);
    };
    auto finished = v.loop.run_until_complete(v.loop.create_task(start(work)));
    seen lost;
    seen kept;
    auto first = v.loop.create_task(collect(finished, lost));
    const bool has_waiting_rival = GENERATE(true, false);
    const bool was_chosen = GENERATE(true, false);
    task<> second;
    if (has_waiting_rival) { second = v.loop.create_task(collect(finished, kept)); }
    if (was_chosen) {
        v.loop.call_later(1s,
                          [&] { first.cancel("no"); });  // behind the task, before the one who asks
    } else {
        first.cancel("no");
    }
    CHECK_THROWS_WITH(v.loop.run_until_complete(first), "no");
    if (!has_waiting_rival) { second = v.loop.create_task(collect(finished, kept)); }
    v.loop.run_until_complete(second);
    CHECK(lost.empty());
    CHECK(kept == seen{{1, 1s}});
}

TEST_CASE("as_completed refuses empty handles and other loops' tasks", "[waiting]") {
    virtual_loop v;
    virtual_loop other;
    auto body = [](std::vector<task<int>> tasks) -> coro<> {
        auto finished = as_completed(tasks);
        co_await finished.next();
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(body(std::vector<task<int>>(1))),
                    std::invalid_argument);
    std::vector<task<int>> theirs{other.loop.create_task(after(1s, 1))};
    CHECK_THROWS_WITH(v.loop.run_until_complete(body(theirs)), Catch::Contains("another loop"));
    CHECK(other.loop.run_until_complete(theirs[0]) == 1);
}

TEST_CASE("one who asks is destroyed with a loop that closes", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    auto body = [](coroscope::loop& l, seen& into) -> coro<> {
        std::vector<task<int>> tasks{l.create_task(after(1h, 1))};
        co_await collect(as_completed(tasks, 2h), into);
    };
    seen order;
    auto t = v->loop.create_task(body(v->loop, order));
    v->loop.call_later(1s, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
    CHECK(order.empty());
}
