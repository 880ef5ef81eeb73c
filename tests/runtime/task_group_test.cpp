// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_group.hpp>

#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/timeout_scope.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::exception_group;
using coroscope::invalid_state_error;
using coroscope::task;
using coroscope::task_group;
using namespace std::chrono_literals;

namespace {

using journal = std::vector<std::string>;

coro<int> after(duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

coro<> fail_after(duration d, const char* what) {
    co_await coroscope::sleep_for(d);
    throw std::runtime_error(what);
}

/// Sleeps; notes how it ended and when, and takes `to_end` to end when cancelled.
coro<> noting(duration d, journal& to, const char* name, duration to_end = 0s) {
    auto note = [](journal& l, std::string text) {
        const auto now = coroscope::get_running_loop().time().time_since_epoch();
        text += "@" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
        l.push_back(std::move(text));
    };
    bool cancelled = false;
    try {
        co_await coroscope::sleep_for(d);
    } catch (const cancelled_error&) { cancelled = true; }
    if (!cancelled) {
        note(to, std::string(name) + " done");
        co_return;
    }
    if (to_end > 0s) { co_await coroscope::sleep_for(to_end); }
    note(to, std::string(name) + " cancelled");
    throw cancelled_error();
}

/// The messages of what a group threw; "cancelled" or "none" otherwise. Then a second's sleep.
template <class T>
coro<std::string> outcome(coro<T> work) {
    std::string text = "none";
    try {
        co_await std::move(work);
    } catch (const exception_group& e) {
        text.clear();
        for (const auto& each : e.exceptions()) {
            text += coroscope::describe(each) + ";";
        }
    } catch (const cancelled_error&) { text = "cancelled"; }
    co_await coroscope::sleep_for(1s);
    co_return text + " " + std::to_string(coroscope::current_task().cancelling());
}

/// A body that starts a `noting` of ten seconds and a failure after two, and sleeps itself.
coro<> failing_body(task_group& g, journal& l, duration sleep) {
    g.create_task(noting(10s, l, "sibling"));
    g.create_task(fail_after(2s, "first"));
    co_await noting(sleep, l, "body");
}

coro<> run_failing(journal& l, duration sleep) {
    task_group g;
    co_await g.run(failing_body(g, l, sleep));
}

}  // namespace

TEST_CASE("a task_group ends when its body and all its tasks have", "[waiting]") {
    virtual_loop v;
    auto body = [](task_group& g, task<int>& a) -> coro<int> {
        a = g.create_task(after(3s, 3), "a");
        auto b = g.create_task(after(1s, 1));
        const int n = co_await b;
        co_return n;
    };
    auto use = [](auto b) -> coro<int> {
        task_group g;
        task<int> a;
        const int n = co_await g.run(b(g, a));
        co_return n * 100 + a.result() * 10 + (a.name() == "a") + static_cast<int>(g.size());
    };
    CHECK(v.loop.run_until_complete(use(body)) == 131);
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("a task_group without tasks gives its body's result", "[waiting]") {
    virtual_loop v;
    auto use = []() -> coro<std::unique_ptr<int>> {
        auto body = []() -> coro<std::unique_ptr<int>> {
            co_return std::make_unique<int>(5);
        };
        task_group g;
        auto p = co_await g.run(body());
        co_return p;
    };
    CHECK(*v.loop.run_until_complete(use()) == 5);
}

TEST_CASE("the first failure cancels the siblings and the body, and is thrown in a group",
          "[waiting]") {
    virtual_loop v;
    journal l;
    CHECK(v.loop.run_until_complete(outcome(run_failing(l, 20s))) == "first; 0");
    CHECK(l == journal{"sibling cancelled@2", "body cancelled@2"});
    CHECK(v.clock.elapsed() == 3s);
    CHECK(v.reported.empty());
}

TEST_CASE("a failure after the body ended cancels the siblings, not the parent", "[waiting]") {
    virtual_loop v;
    journal l;
    CHECK(v.loop.run_until_complete(outcome(run_failing(l, 1s))) == "first; 0");
    CHECK(l == journal{"body done@1", "sibling cancelled@2"});
}

TEST_CASE("failures while the group shuts down are thrown with the first", "[waiting]") {
    virtual_loop v;
    auto fails_late = []() -> coro<> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) { throw std::runtime_error("second"); }
    };
    auto body = [](task_group& g, auto late) -> coro<> {
        g.create_task(late());
        g.create_task(fail_after(1s, "first"));
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) { throw std::runtime_error("body"); }
    };
    auto use = [](auto b, auto late) -> coro<> {
        task_group g;
        co_await g.run(b(g, late));
    };
    CHECK(v.loop.run_until_complete(outcome(use(body, fails_late))) == "first;second;body; 0");
}

TEST_CASE("an exception of the body cancels the tasks and is thrown in a group", "[waiting]") {
    virtual_loop v;
    auto body = [](task_group& g, journal& l) -> coro<> {
        g.create_task(noting(10s, l, "child", 2s));
        co_await coroscope::sleep_for(1s);
        throw std::runtime_error("body");
    };
    auto use = [](auto b, journal& l) -> coro<> {
        task_group g;
        co_await g.run(b(g, l));
    };
    journal l;
    CHECK(v.loop.run_until_complete(outcome(use(body, l))) == "body; 0");
    CHECK(l == journal{"child cancelled@3"});
}

TEST_CASE("a body that awaits the task that fails gets the cancellation, and the error comes once",
          "[waiting]") {
    virtual_loop v;
    auto body = [](task_group& g, journal& l) -> coro<> {
        auto t = g.create_task(fail_after(1s, "child"));
        try {
            co_await t;
        } catch (const cancelled_error&) {
            l.push_back("cancelled");
            throw;
        }
    };
    auto use = [](auto b, journal& l) -> coro<> {
        task_group g;
        co_await g.run(b(g, l));
    };
    journal l;
    CHECK(v.loop.run_until_complete(outcome(use(body, l))) == "child; 0");
    CHECK(l == journal{"cancelled"});
}

TEST_CASE("a task that is cancelled is no failure", "[waiting]") {
    virtual_loop v;
    auto body = [](task_group& g, journal& l) -> coro<> {
        auto t = g.create_task(after(1h, 1));
        g.create_task(noting(2s, l, "sibling"));
        co_await coroscope::sleep_for(1s);
        t.cancel();
    };
    auto use = [](auto b, journal& l) -> coro<> {
        task_group g;
        co_await g.run(b(g, l));
    };
    journal l;
    CHECK(v.loop.run_until_complete(outcome(use(body, l))) == "none 0");
    CHECK(l == journal{"sibling done@2"});
}

TEST_CASE("cancelling the parent cancels the tasks, waits for them, and is passed on",
          "[waiting]") {
    virtual_loop v;
    const bool body_runs = GENERATE(true, false);
    auto body = [](task_group& g, journal& l, duration d) -> coro<> {
        g.create_task(noting(1h, l, "a", 2s));
        g.create_task(noting(1h, l, "b"));
        co_await coroscope::sleep_for(d);
    };
    auto use = [](auto b, journal& l, duration d) -> coro<> {
        task_group g;
        co_await g.run(b(g, l, d));
    };
    journal l;
    auto t = v.loop.create_task(use(body, l, body_runs ? 1h : 0s));
    v.loop.call_later(1s, [&] { t.cancel("outside"); });
    v.loop.call_later(2s, [&] { t.cancel("again"); });  // changes nothing while it winds up
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "outside");
    CHECK(t.cancelled());
    CHECK(l == journal{"b cancelled@1", "a cancelled@3"});
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("a failure while the parent is being cancelled is thrown; the cancellation comes next",
          "[waiting]") {
    virtual_loop v;
    auto body = [](task_group& g) -> coro<> {
        auto fails = []() -> coro<> {
            try {
                co_await coroscope::sleep_for(1h);
            } catch (const cancelled_error&) { throw std::runtime_error("cleanup"); }
        };
        g.create_task(fails());
        co_await coroscope::sleep_for(1h);
    };
    auto use = [](auto b, journal& l) -> coro<> {
        task_group g;
        try {
            co_await g.run(b(g));
        } catch (const exception_group& e) { l.push_back(coroscope::describe(e.exceptions()[0])); }
        l.push_back(std::to_string(coroscope::current_task().cancelling()));
        co_await coroscope::sleep_for(1h);
    };
    journal l;
    auto t = v.loop.create_task(use(body, l));
    v.loop.call_later(1s, [&] { t.cancel(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(l == journal{"cleanup", "1"});
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("a cancellation from outside together with a failure is not taken for the group's",
          "[waiting]") {
    virtual_loop v;
    journal l;
    auto t = v.loop.create_task(outcome(run_failing(l, 20s)));
    v.loop.call_later(2s, [&] { v.loop.call_soon([&] { t.cancel(); }); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("a parent that is cancelled after the last task ended is cancelled", "[waiting]") {
    virtual_loop v;
    auto gate = v.loop.create_future<void>();
    auto waits = [](coroscope::future<> f) -> coro<> {
        co_await f;
    };
    auto body = [](task_group& g, auto w, coroscope::future<> f) -> coro<> {
        g.create_task(w(f));
        co_return;
    };
    auto use = [](auto b, auto w, coroscope::future<> f) -> coro<> {
        task_group g;
        co_await g.run(b(g, w, f));
    };
    auto t = v.loop.create_task(use(body, waits, gate));
    v.loop.call_later(1s, [&] {
        gate.set_result();
        v.loop.call_soon(
            [&] { t.cancel("late"); });  // behind the child's step, before the parent's
    });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "late");
}

TEST_CASE("nested groups: an inner failure leaves the inner group as one failure of the outer",
          "[waiting]") {
    virtual_loop v;
    auto outer = [](task_group& g, journal& l) -> coro<> {
        g.create_task(noting(1h, l, "outer sibling"));
        g.create_task(run_failing(l, 20s));
        co_return;
    };
    auto use = [](auto b, journal& l) -> coro<> {
        task_group g;
        co_await g.run(b(g, l));
    };
    journal l;
    const auto text = v.loop.run_until_complete(outcome(use(outer, l)));
    CHECK(text == "unhandled errors in a task_group (1 exception)\n1. first; 0");
    CHECK(l == journal{"sibling cancelled@2", "body cancelled@2", "outer sibling cancelled@2"});
}

TEST_CASE("a timeout around a group ends its tasks and is a timeout", "[waiting]") {
    virtual_loop v;
    auto body = [](task_group& g, journal& l) -> coro<> {
        g.create_task(noting(1h, l, "child", 1s));
        co_return;
    };
    auto group = [](auto b, journal& l) -> coro<> {
        task_group g;
        co_await g.run(b(g, l));
    };
    auto use = [](auto inner, auto b, journal& l) -> coro<std::string> {
        coroscope::timeout_scope limit(2s);
        std::string text = "in time";
        try {
            co_await limit.run(inner(b, l));
        } catch (const coroscope::timeout_error&) { text = "timeout"; }
        co_return text + std::to_string(coroscope::current_task().cancelling());
    };
    journal l;
    CHECK(v.loop.run_until_complete(use(group, body, l)) == "timeout0");
    CHECK(l == journal{"child cancelled@3"});
}

TEST_CASE("tasks may add tasks, also after the body ended", "[waiting]") {
    virtual_loop v;
    auto child = [](task_group& g, journal& l) -> coro<> {
        co_await coroscope::sleep_for(1s);
        g.create_task(noting(1s, l, "grandchild"));
    };
    auto body = [](task_group& g, journal& l, auto c) -> coro<> {
        g.create_task(c(g, l));
        co_return;
    };
    auto use = [](auto b, auto c, journal& l) -> coro<> {
        task_group g;
        co_await g.run(b(g, l, c));
    };
    journal l;
    v.loop.run_until_complete(use(body, child, l));
    CHECK(l == journal{"grandchild done@2"});
}

TEST_CASE("create_task is refused before, while it shuts down, and after; run happens once",
          "[waiting]") {
    virtual_loop v;
    auto attempt = [](task_group& g, journal& l) {
        try {
            g.create_task(after(1s, 1));
        } catch (const invalid_state_error& e) { l.push_back(e.what()); }
    };
    auto body = [](task_group& g, journal& l, auto a) -> coro<> {
        g.create_task(fail_after(0s, "x"));
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) { a(g, l); }
    };
    auto use = [](auto b, auto a, journal& l) -> coro<> {
        task_group g;
        a(g, l);
        try {
            co_await g.run(b(g, l, a));
        } catch (const exception_group&) { a(g, l); }
        try {
            co_await g.run(after(1s, 1));
        } catch (const invalid_state_error& e) { l.push_back(e.what()); }
    };
    journal l;
    v.loop.run_until_complete(use(body, attempt, l));
    REQUIRE(l.size() == 4);
    CHECK_THAT(l[0], Catch::Contains("has not been entered"));
    CHECK_THAT(l[1], Catch::Contains("shutting down"));
    CHECK_THAT(l[2], Catch::Contains("is finished") && Catch::Contains("task_group_test.cpp:"));
    CHECK_THAT(l[3], Catch::Contains("a second time"));
}

TEST_CASE("a group in a task that was cancelled before takes that request for none of its own",
          "[waiting]") {
    virtual_loop v;
    journal l;
    auto use = [](journal& to) -> coro<std::string> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) {}  // NOLINT(bugprone-empty-catch): goes on to clean up
        const auto text = co_await outcome(run_failing(to, 20s));
        co_return text;
    };
    auto t = v.loop.create_task(use(l));
    v.loop.call_later(1s, [&] { t.cancel(); });
    CHECK(v.loop.run_until_complete(t) == "first; 1");
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("a group goes with a loop that closes", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    journal l;
    auto body = [](task_group& g, journal& to) -> coro<> {
        g.create_task(noting(1h, to, "child"));
        co_return;
    };
    auto use = [](auto b, journal& to) -> coro<> {
        task_group g;
        co_await g.run(b(g, to));
    };
    auto t = v->loop.create_task(use(body, l));
    v->loop.call_later(1s, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
    CHECK(l.empty());
}
