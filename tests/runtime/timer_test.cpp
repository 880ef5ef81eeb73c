// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/timer.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/wait.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::duration;
using coroscope::timer;
using namespace std::chrono_literals;

namespace {

struct completion {
    char who;
    bool expired;
    duration when;
    friend bool operator==(const completion&, const completion&) = default;
    friend std::ostream& operator<<(std::ostream& out, const completion& c) {
        return out << c.who << (c.expired ? " expired at " : " cancelled at ") << c.when.count();
    }
};
using completions = std::vector<completion>;

/// A loop, a timer, and what became of the waits for it.
struct timed_loop {
    virtual_loop v;
    timer alarm;
    completions seen;

    coroscope::task<> wait(char who) { return v.loop.create_task(wait_and_note(*this, who)); }
    void at(duration d, coroscope::detail::callback f) { v.loop.call_later(d, std::move(f)); }
    /// Runs a coroutine function of this, and what it leaves until nothing can happen.
    void run(coro<> (*body)(timed_loop&)) { v.loop.run_until_complete(body(*this)); }

private:
    static coro<> wait_and_note(timed_loop& in, char who) {
        const bool expired = co_await in.alarm.wait();
        in.seen.push_back({who, expired, in.v.clock.elapsed()});
    }
};

}  // namespace

TEST_CASE("a timer completes its waits at its instant, in the order they began") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(2s);
        auto a = in.wait('a');
        auto b = in.wait('b');
        co_await coroscope::gather(a, b);
    });
    CHECK(t.seen == completions{{'a', true, 2s}, {'b', true, 2s}});
}

TEST_CASE("a timer whose instant has passed completes a wait behind what is ready") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        int steps = 0;
        const auto count = [&steps] {
            ++steps;
        };
        co_await coroscope::sleep_for(1s);
        in.alarm.expires_at(in.v.loop.time() - 1s);
        in.v.loop.call_soon(count);
        const bool expired = co_await in.alarm.wait();
        CHECK(expired);
        CHECK(steps == 1);
        CHECK(in.v.clock.elapsed() == 1s);
    });
}

TEST_CASE("a new timer has expired, and one of the largest instant never expires") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        const bool at_once = co_await in.alarm.wait();
        CHECK(at_once);
        in.alarm.expires_after(duration::max());
        auto a = in.wait('a');
        co_await coroscope::sleep_for(24h);
        CHECK_FALSE(a.done());
        CHECK(in.alarm.cancel() == 1);
        co_await a;
    });
    CHECK(t.seen == completions{{'a', false, 24h}});
}

TEST_CASE("reset moves the waits of a timer, earlier and later") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(5s);
        auto a = in.wait('a');
        auto b = in.wait('b');
        const auto later = [&in] {
            CHECK(in.alarm.reset(10s) == 2);
        };
        const auto earlier = [&in] {
            CHECK(in.alarm.reset(in.v.loop.time() + 1s) == 2);
        };
        in.at(4s, later);  // to 14 s
        in.at(6s, earlier);
        co_await coroscope::gather(a, b);
    });
    CHECK(t.seen == completions{{'a', true, 7s}, {'b', true, 7s}});
}

TEST_CASE("reset to an instant that has passed makes the waits ready at once") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(5s);
        auto a = in.wait('a');
        co_await coroscope::sleep_for(1s);
        CHECK(in.alarm.reset(in.v.loop.time()) == 1);
        CHECK(in.seen.empty());
        co_await a;
    });
    CHECK(t.seen == completions{{'a', true, 1s}});
}

TEST_CASE("reset arms a timer again that has fired") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(1s);
        co_await in.wait('a');
        CHECK(in.alarm.reset(3s) == 0);
        co_await in.wait('b');
    });
    CHECK(t.seen == completions{{'a', true, 1s}, {'b', true, 4s}});
}

TEST_CASE("reset leaves alone a wait whose time has come") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(1s);
        const auto too_late = [&in] {
            CHECK(in.alarm.reset(9s) == 0);
        };
        in.at(1s, too_late);  // armed before, so that it runs first
        co_await in.wait('a');
    });
    CHECK(t.seen == completions{{'a', true, 1s}});
}

TEST_CASE("a wait that expired but has not run can be cancelled, and completes exactly once") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(1s);
        const auto just_before = [&in] {
            CHECK(in.alarm.cancel() == 1);
            CHECK(in.alarm.cancel() == 0);
        };
        in.at(1s, just_before);
        co_await in.wait('a');
        co_await coroscope::sleep_for(1h);
    });
    CHECK(t.seen == completions{{'a', false, 1s}});
}

TEST_CASE("expires_after and expires_at cancel the waits and set the instant") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(5s);
        auto a = in.wait('a');
        co_await coroscope::sleep_for(1s);
        CHECK(in.alarm.expires_after(1s) == 1);
        CHECK(in.alarm.expiry() == in.v.loop.time() + 1s);
        co_await in.wait('b');
        CHECK(in.alarm.expires_at(in.v.loop.time()) == 0);
        co_await a;
    });
    CHECK(t.seen == completions{{'a', false, 1s}, {'b', true, 2s}});
}

TEST_CASE("a timer that is destroyed cancels its waits") {
    virtual_loop v;
    const auto body = [](virtual_loop& in) -> coro<bool> {
        std::optional<timer> alarm(std::in_place);
        alarm->expires_after(5s);
        const auto drop = [&alarm] {
            alarm.reset();
        };
        in.loop.call_later(1s, drop);
        co_return co_await alarm->wait();
    };
    CHECK_FALSE(v.loop.run_until_complete(body(v)));
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("a task that waits for a timer can be cancelled, and the timer goes on") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(5s);
        auto a = in.wait('a');
        auto b = in.wait('b');
        co_await coroscope::sleep_for(1s);
        a.cancel();
        CHECK(in.alarm.cancel() == 1);  // b's
        co_await coroscope::wait(a, b);
        CHECK(a.cancelled());
    });
    CHECK(t.seen == completions{{'b', false, 1s}});
}

TEST_CASE("a task that was cancelled before it waits for a timer does not wait") {
    timed_loop t;
    t.run([](timed_loop& in) -> coro<> {
        in.alarm.expires_after(5s);
        const auto cancel_itself = [](timer& alarm) -> coro<> {
            coroscope::current_task().cancel();
            static_cast<void>(co_await alarm.wait());
        };
        auto a = in.v.loop.create_task(cancel_itself(in.alarm));
        co_await coroscope::wait(a);
        CHECK(a.cancelled());
        CHECK(in.v.clock.elapsed() == 0s);
        CHECK(in.alarm.cancel() == 0);
    });
    CHECK(t.seen.empty());
}

TEST_CASE("a wait for a timer can have a time limit") {
    virtual_loop v;
    const auto body = []() -> coro<> {
        timer alarm;
        alarm.expires_after(5s);
        co_await coroscope::wait_for(alarm.wait(), 1s);
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(body()), coroscope::timeout_error);
}

TEST_CASE("a loop that closes takes the waits for a timer with it") {
    timer alarm;
    virtual_loop v;
    const auto body = [](timer& t) -> coro<> {
        t.expires_after(5s);
        static_cast<void>(co_await t.wait());
    };
    v.loop.create_task(body(alarm));
    v.loop.call_soon([&v] { v.loop.stop(); });
    v.loop.run_forever();
    v.loop.set_exception_handler([](coroscope::loop&, const coroscope::exception_context&) {});
    v.loop.close();
    CHECK(alarm.cancel() == 0);
}
