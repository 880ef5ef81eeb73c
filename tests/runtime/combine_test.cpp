// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/combine.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::gather;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

coro<int> after(duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

coro<> nap(duration d) {
    co_await coroscope::sleep_for(d);
}

coro<int> fail_after(duration d, const char* what) {
    co_await coroscope::sleep_for(d);
    throw std::runtime_error(what);
}

/// Sleeps; notes the time of its cancellation, and swallows it if told to.
coro<> cancellable(duration d, std::vector<duration>& cancelled_at, bool swallow) {
    try {
        co_await coroscope::sleep_for(d);
    } catch (const cancelled_error&) {
        cancelled_at.push_back(coroscope::get_running_loop().time().time_since_epoch());
        if (!swallow) { throw; }
    }
}

}  // namespace

TEST_CASE("gather runs its arguments at once and gives their results in argument order") {
    virtual_loop v;
    auto body = []() -> coro<std::tuple<int, std::string>> {
        auto text = []() -> coro<std::string> {
            co_await coroscope::sleep_for(1s);
            co_return "second";
        };
        auto results = co_await gather(after(3s, 1), text());
        co_return results;
    };
    CHECK(v.loop.run_until_complete(body()) == std::tuple<int, std::string>(1, "second"));
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("gather of a vector gives a vector, in order") {
    virtual_loop v;
    auto body = []() -> coro<std::vector<int>> {
        std::vector<coro<int>> work;
        for (int i = 0; i < 5; ++i) {
            work.push_back(after(std::chrono::seconds(5 - i), i));
        }
        auto all = co_await gather(std::move(work));
        co_return all;
    };
    CHECK(v.loop.run_until_complete(body()) == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(v.clock.elapsed() == 5s);
}

TEST_CASE("gather of an empty vector is done at once") {
    virtual_loop v;
    auto body = []() -> coro<std::size_t> {
        auto empty = gather(std::vector<coro<int>>());
        const bool done = empty.done();
        auto results = co_await empty;
        co_await gather(std::vector<coro<>>());
        co_return done ? results.size() : std::size_t{99};
    };
    CHECK(v.loop.run_until_complete(body()) == 0);
}

TEST_CASE("void results become monostate among others, and nothing if all are void") {
    virtual_loop v;
    auto mixed = []() -> coro<int> {
        auto results = co_await gather(nap(1s), after(1s, 4));
        STATIC_REQUIRE(std::is_same_v<decltype(results), std::tuple<std::monostate, int>>);
        co_return std::get<1>(results);
    };
    CHECK(v.loop.run_until_complete(mixed()) == 4);
    auto all_void = []() -> coro<> {
        STATIC_REQUIRE(std::is_void_v<decltype(gather(nap(1s), nap(1s)))::result_type>);
        co_await gather(nap(1s), nap(2s));
    };
    v.loop.run_until_complete(all_void());
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("gather takes coros and tasks together; move-only and reference results pass") {
    virtual_loop v;
    int target = 1;
    auto body = [](coroscope::loop& l, int& t) -> coro<int> {
        auto owner = []() -> coro<std::unique_ptr<int>> {
            co_return std::make_unique<int>(10);
        };
        auto reference = [](int& x) -> coro<int&> {
            co_return x;
        };
        auto running = l.create_task(after(1s, 100));
        auto [p, r, n] = co_await gather(owner(), reference(t), running);
        r.get() += 1;
        co_return *p + n + running.result();
    };
    CHECK(v.loop.run_until_complete(body(v.loop, target)) == 210);
    CHECK(target == 2);
}

TEST_CASE("gathers nest") {
    virtual_loop v;
    auto pair = [](int n) -> coro<int> {
        auto [a, b] = co_await gather(after(1s, n), after(2s, n + 1));
        co_return a + b;
    };
    auto body = [](coro<int> x, coro<int> y) -> coro<int> {
        auto [a, b] = co_await gather(std::move(x), std::move(y));
        co_return a* b;
    };
    CHECK(v.loop.run_until_complete(body(pair(1), pair(2))) == 15);
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("the first exception of a child is the gather's at once; the others go on") {
    virtual_loop v;
    bool other_ended = false;
    auto other = [](bool& ended) -> coro<int> {
        co_await coroscope::sleep_for(5s);
        ended = true;
        co_return 1;
    };
    auto body = [](coro<int> o, virtual_loop& in) -> coro<std::string> {
        std::string what;
        try {
            co_await gather(std::move(o), fail_after(1s, "first"), fail_after(2s, "second"));
        } catch (const std::runtime_error& e) {
            what = e.what() + std::string(" at ") + std::to_string(in.clock.elapsed() / 1s);
        }
        co_return what;
    };
    CHECK(v.loop.run_until_complete(body(other(other_ended), v)) == "first at 1");
    CHECK_FALSE(other_ended);
    v.loop.run_forever();
    CHECK(other_ended);
    CHECK(v.reported.empty());
}

TEST_CASE("a gather of tasks that are done already is done at once, also with a failure") {
    virtual_loop v;
    auto ok = v.loop.create_task(after(0s, 1));
    auto bad = v.loop.create_task(fail_after(0s, "done already"));
    v.loop.run_forever();
    auto body = [](task<int> a, task<int> b) -> coro<std::string> {
        auto fine = gather(a, a);
        const bool immediately = fine.done();
        std::string what = immediately ? "immediately " : "";
        try {
            co_await gather(a, b);
        } catch (const std::runtime_error& e) { what += e.what(); }
        co_return what;
    };
    CHECK(v.loop.run_until_complete(body(ok, bad)) == "immediately done already");
}

TEST_CASE("a child that is cancelled by somebody else makes the gather cancelled") {
    virtual_loop v;
    auto child = v.loop.create_task(after(1h, 1));
    auto body = [](task<int> c) -> coro<bool> {
        bool got_it = false;
        try {
            co_await gather(c, after(1s, 2));
        } catch (const cancelled_error&) { got_it = true; }
        co_return got_it;
    };
    auto t = v.loop.create_task(body(child));
    v.loop.call_later(500ms, [&] { child.cancel(); });
    CHECK(v.loop.run_until_complete(t));
    CHECK(v.clock.elapsed() == 500ms);
}

TEST_CASE("cancelling the awaiting task cancels every child, and ends when all have ended") {
    virtual_loop v;
    std::vector<duration> cancelled_at;
    auto body = [](std::vector<duration>& at) -> coro<> {
        std::vector<coro<>> work;
        for (int i = 0; i < 10; ++i) {
            work.push_back(cancellable(std::chrono::seconds(i), at, false));
        }
        co_await gather(std::move(work));
    };
    auto t = v.loop.create_task(body(cancelled_at));
    v.loop.call_later(3500ms, [&] { t.cancel("stop it"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "stop it");
    CHECK(cancelled_at == std::vector<duration>(6, 3500ms));
}

TEST_CASE("a cancelled gather is cancelled even if its children swallow it, but later") {
    virtual_loop v;
    auto stubborn = []() -> coro<> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) {}  // NOLINT(bugprone-empty-catch): swallows
        co_await coroscope::sleep_for(10s);
    };
    auto body = [](coro<> a, coro<> b) -> coro<> {
        co_await gather(std::move(a), std::move(b));
    };
    auto t = v.loop.create_task(body(stubborn(), stubborn()));
    v.loop.call_later(1s, [&] { t.cancel(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(v.clock.elapsed() == 11s);
    CHECK(all_tasks(v.loop).empty());
}

TEST_CASE("cancel() on the gather itself cancels its children") {
    virtual_loop v;
    std::vector<duration> cancelled_at;
    auto body = [](std::vector<duration>& at) -> coro<bool> {
        auto all = gather(cancellable(1h, at, false), cancellable(2h, at, true));
        co_await coroscope::sleep_for(1s);
        const bool accepted = all.cancel();
        bool thrown = false;
        try {
            co_await all;
        } catch (const cancelled_error&) { thrown = true; }
        co_return accepted&& thrown && !all.cancel();
    };
    CHECK(v.loop.run_until_complete(body(cancelled_at)));
    CHECK(cancelled_at == std::vector<duration>{1s, 1s});
}

TEST_CASE("cancelling a gather that failed cancels the children that are left") {
    virtual_loop v;
    std::vector<duration> cancelled_at;
    auto body = [](std::vector<duration>& at) -> coro<> {
        auto all = gather(fail_after(1s, "failed"), cancellable(1h, at, false));
        try {
            co_await all;
        } catch (const std::runtime_error&) { all.cancel(); }
    };
    v.loop.run_until_complete(body(cancelled_at));
    v.loop.run_forever();
    CHECK(cancelled_at == std::vector<duration>{1s});
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("a gather that is dropped lets its children run, and reports a lost failure once") {
    virtual_loop v;
    auto body = []() -> coro<> {
        auto dropped = gather(fail_after(1s, "lost"), after(2s, 1));
        co_return;
    };
    v.loop.run_until_complete(body());
    v.loop.run_forever();
    CHECK(v.clock.elapsed() == 2s);
    REQUIRE(v.reported.size() == 1);
    CHECK(coroscope::describe(v.reported[0].exception) == "lost");
}

TEST_CASE("a child that cannot be created throws at the gather; those made before run on") {
    virtual_loop v;
    int made = 0;
    v.loop.set_task_factory([&](coroscope::loop& l, coroscope::any_coro work,
                                coroscope::task_options& options) -> coroscope::any_task {
        if (++made == 3) { throw std::runtime_error("no more tasks"); }
        return l.start_task(std::move(work), options);
    });
    std::vector<int> ended;
    auto child = [](std::vector<int>& to, int n) -> coro<> {
        co_await coroscope::sleep_for(1s);
        to.push_back(n);
    };
    auto body = [](coro<> a, coro<> b, coro<> c) -> coro<std::string> {
        std::string what;
        try {
            co_await gather(std::move(a), std::move(b), std::move(c));
        } catch (const std::runtime_error& e) { what = e.what(); }
        co_return what;
    };
    CHECK(v.loop.run_until_complete(body(child(ended, 1), child(ended, 2), child(ended, 3)))
          == "no more tasks");
    v.loop.run_forever();
    CHECK(ended == std::vector<int>{1});

    made = 1;
    auto of_vector = [](std::vector<coro<>> work) -> coro<> {
        co_await gather(std::move(work));
    };
    std::vector<coro<>> work;
    work.push_back(child(ended, 4));
    work.push_back(child(ended, 5));
    made = 0;
    CHECK_THROWS_WITH(v.loop.run_until_complete(of_vector(std::move(work))), "no more tasks");
    CHECK(v.reported.empty());
}

TEST_CASE("gather outside a running loop is a clear error, and destroys its arguments") {
    auto token = std::make_shared<int>();
    auto holds = [](std::shared_ptr<int>) -> coro<> {
        co_return;
    };
    CHECK_THROWS_WITH(gather(holds(token), holds(token)), Catch::Contains("no running loop"));
    CHECK(token.use_count() == 1);
}

TEST_CASE("closing the loop under a pending gather destroys it and its children") {
    auto token = std::make_shared<int>();
    {
        virtual_loop v;
        auto child = [](std::shared_ptr<int>) -> coro<> {
            co_await coroscope::sleep_for(1h);
        };
        auto body = [](coro<> a, coro<> b, std::shared_ptr<int>) -> coro<> {
            co_await gather(std::move(a), std::move(b));
        };
        v.loop.create_task(body(child(token), child(token), token));
        v.loop.stop();
        v.loop.run_forever();
        v.loop.stop();
        v.loop.run_forever();
        CHECK(token.use_count() == 4);
        v.loop.close();
        CHECK(v.reported.size() == 3);
    }
    CHECK(token.use_count() == 1);
}
