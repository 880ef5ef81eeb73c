// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/future.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::future;
using coroscope::invalid_state_error;

namespace {

coro<int> get(future<int> f) {
    const int n = co_await f;
    co_return n;
}

}  // namespace

TEST_CASE("a future gives its result to everyone who awaits it, in the order they came") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    std::vector<int> order;
    auto note = [](future<int> from, std::vector<int>& to, int who) -> coro<> {
        const int n = co_await from;
        to.push_back(n + who);
    };
    for (int i = 0; i < 3; ++i) {
        v.loop.create_task(note(f, order, i));
    }
    v.loop.run_forever();
    CHECK(order.empty());
    CHECK_FALSE(f.done());
    f.set_result(10);
    CHECK(f.done());
    CHECK(order.empty());  // never resumed inline
    v.loop.run_forever();
    CHECK(order == std::vector<int>{10, 11, 12});
    CHECK(f.result() == 10);
}

TEST_CASE("awaiting a future that is done does not suspend") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    f.set_result(3);
    const auto before = v.loop.statistics().steps;
    CHECK(v.loop.run_until_complete(get(f)) == 3);
    CHECK(v.loop.statistics().steps - before == 1);
}

TEST_CASE("a future may be of void, a reference, or a move-only type") {
    virtual_loop v;
    auto nothing = v.loop.create_future<>();
    nothing.set_result();
    v.loop.run_until_complete(nothing);

    int target = 0;
    auto reference = v.loop.create_future<int&>();
    reference.set_result(target);
    CHECK(&reference.result() == &target);

    auto owner = v.loop.create_future<std::unique_ptr<int>>();
    owner.set_result(std::make_unique<int>(4));
    auto take = [](future<std::unique_ptr<int>> from) -> coro<int> {
        auto p = co_await std::move(from);
        co_return *p;
    };
    CHECK(v.loop.run_until_complete(take(owner)) == 4);
}

TEST_CASE("a future is set once") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    f.set_result(1);
    CHECK_THROWS_AS(f.set_result(2), invalid_state_error);
    CHECK_THROWS_AS(f.set_exception(std::runtime_error("late")), invalid_state_error);
    CHECK_FALSE(f.cancel());
    CHECK(f.result() == 1);
}

TEST_CASE("a null exception is refused and leaves the future pending") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    CHECK_THROWS_AS(f.set_exception(std::exception_ptr()), std::invalid_argument);
    CHECK_FALSE(f.done());
}

TEST_CASE("a pending future has neither result nor exception") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    CHECK_THROWS_AS(f.result(), invalid_state_error);
    CHECK_THROWS_AS(f.exception(), invalid_state_error);
    f.set_exception(std::runtime_error("after a premature question"));
    f = {};
    CHECK(v.reported.size() == 1);
}

TEST_CASE("an exception set on a future is thrown where it is awaited and asked for") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    f.set_exception(std::runtime_error("broken"));
    CHECK_THROWS_WITH(v.loop.run_until_complete(get(f)), "broken");
    CHECK_THROWS_WITH(f.result(), "broken");
    CHECK(coroscope::describe(f.exception()) == "broken");
    f = {};
    CHECK(v.reported.empty());
}

TEST_CASE("a future's exception that nobody retrieves is reported once, with where it was made") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    const auto id = f.id();
    f.set_exception(std::runtime_error("lost"));
    f = {};
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].future_id == id);
    CHECK(coroscope::describe(v.reported[0].exception) == "lost");
    CHECK(coroscope::to_string(v.reported[0].created_at).find("future_test.cpp")
          != std::string::npos);
}

TEST_CASE("cancelling a future throws cancelled_error in those who await it") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    auto t = v.loop.create_task(get(f));
    v.loop.run_forever();
    CHECK(f.cancel());
    CHECK(f.cancelled());
    CHECK_THROWS_AS(f.result(), coroscope::cancelled_error);
    CHECK_THROWS_AS(f.exception(), coroscope::cancelled_error);
    v.loop.run_forever();
    CHECK(t.cancelled());
}

TEST_CASE("done callbacks of a future run from the loop, also when added late") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    std::vector<int> seen;
    f.add_done_callback([&](const future<int>& x) { seen.push_back(x.result()); });
    f.set_result(8);
    CHECK(seen.empty());
    v.loop.run_forever();
    f.add_done_callback([&](const future<int>& x) { seen.push_back(x.result() + 1); });
    CHECK(seen.size() == 1);
    v.loop.run_forever();
    CHECK(seen == std::vector<int>{8, 9});
}

TEST_CASE("a done callback keeps its future alive until it has run") {
    virtual_loop v;
    int seen = 0;
    {
        auto f = v.loop.create_future<int>();
        f.add_done_callback([&](const future<int>& x) { seen = x.result(); });
        f.set_result(8);
    }
    v.loop.run_forever();
    CHECK(seen == 8);
}

TEST_CASE("a pending future that everybody dropped releases its callbacks' captures") {
    virtual_loop v;
    auto token = std::make_shared<int>();
    {
        auto f = v.loop.create_future<int>();
        f.add_done_callback([token](const future<int>&) { FAIL("never done"); });
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("ids of futures differ, and an empty handle is a clear error") {
    virtual_loop v;
    auto a = v.loop.create_future<>();
    auto b = v.loop.create_future<>();
    CHECK(a.id() != b.id());
    future<int> empty;
    CHECK_FALSE(empty.valid());
    CHECK_THROWS_AS(empty.done(), invalid_state_error);
    CHECK_THROWS_AS(empty.set_result(1), invalid_state_error);
    CHECK_THROWS_AS(empty.cancel(), invalid_state_error);
}

TEST_CASE("awaiting a pending future of another loop is a clear error") {
    virtual_loop v;
    virtual_loop other;
    auto f = other.loop.create_future<int>();
    CHECK_THROWS_AS(v.loop.run_until_complete(get(f)), invalid_state_error);
    f.set_result(1);
}

TEST_CASE("a future may outlive its loop, and stays as it was") {
    future<int> done;
    future<int> pending;
    {
        virtual_loop v;
        done = v.loop.create_future<int>();
        pending = v.loop.create_future<int>();
        pending.add_done_callback([](const future<int>&) { FAIL("the loop is gone"); });
        done.set_result(2);
    }
    CHECK(done.result() == 2);
    pending.set_result(3);
    CHECK(pending.result() == 3);
}
