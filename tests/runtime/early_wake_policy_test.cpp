// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/early_wake_policy.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/as_completed.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/timeout_scope.hpp>
#include <coroscope/runtime/wait.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::condition;
using coroscope::coro;
using coroscope::early_wake_policy;
using coroscope::timeout_error;
using namespace std::chrono_literals;

namespace {

/// First in, first out, except that it wakes what it may as soon as it can, or where time would go
/// on.
class early_waker final : public early_wake_policy {
public:
    [[nodiscard]] std::size_t pick(std::span<const choice>) override { return 0; }
    [[nodiscard]] wakes allowed() const noexcept override { return {conditions > 0, limits > 0}; }
    [[nodiscard]] std::optional<std::size_t> pick_any(
        std::span<const choice> ready, std::span<const early_choice> early) override {
        if (waits_for_idleness && !ready.empty()) { return 0; }
        for (const auto& each : early) {
            offered += each.is_limit ? 'l' : 'c';
        }
        offered += ready.empty() ? '.' : ' ';
        --(early[0].is_limit ? limits : conditions);
        return ready.size() + beyond;
    }

    int conditions = 0;
    int limits = 0;
    bool waits_for_idleness = false;
    std::size_t beyond = 0;  ///< which of them
    std::string offered;
};

struct early_loop {
    early_loop() { v.loop.set_schedule_policy(&policy); }
    ~early_loop() { v.loop.set_schedule_policy(nullptr); }
    early_loop(const early_loop&) = delete;
    early_loop& operator=(const early_loop&) = delete;

    void run(coro<> work) {
        auto ends = [](early_loop& on, coro<> body) -> coro<> {
            co_await std::move(body);
            on.v.loop.stop();
        };
        v.loop.create_task(ends(*this, std::move(work)));
        v.loop.run_forever();
    }
    [[nodiscard]] coroscope::duration now() const { return v.clock.elapsed(); }

    early_waker policy;
    virtual_loop v;
};

coro<> wait_in(condition& c, std::string& log) {
    const auto lock = co_await c.scoped();
    co_await c.wait();
    log += c.used_mutex().locked_by_current() ? 'w' : '?';
}

coro<> nap(coroscope::duration length) {
    co_await coroscope::sleep_for(length);
}

coro<> hold(condition& c, std::string& log) {
    const auto lock = co_await c.scoped();
    co_await coroscope::sleep_for(1s);
    log += 'h';
}

/// The instant at which a limit of ten seconds is up.
template <class Limited>
coro<> measure(early_loop& on, coroscope::duration& up_at, Limited limited) {
    try {
        co_await limited();
    } catch (const timeout_error&) { up_at = on.now(); }
}

coro<> sleep_limited() {
    co_await coroscope::wait_for(nap(1h), 10s);
}

coro<> sleep_in_scope() {
    coroscope::timeout_scope limit(10s);
    co_await limit.run(nap(1h));
}

coro<> ask_for_completed() {
    std::vector<coroscope::task<>> tasks{coroscope::get_running_loop().create_task(nap(1h))};
    auto completed = coroscope::as_completed(tasks, 10s);
    try {
        static_cast<void>(co_await completed.next());
    } catch (...) {
        tasks.front().cancel();
        throw;
    }
}

}  // namespace

TEST_CASE("a task that waits for a condition is woken for no reason, and has the mutex") {
    early_loop on;
    on.policy.conditions = 1;
    condition c;
    std::string log;
    on.run(wait_in(c, log));
    CHECK(log == "w");
    CHECK(on.policy.offered == "c.");
    CHECK_FALSE(c.locked());
}

TEST_CASE("while others hold a condition's mutex nobody is woken for no reason") {
    early_loop on;
    on.policy.conditions = 1;
    on.policy.waits_for_idleness = true;
    condition c;
    std::string log;
    auto both = [](condition& of, std::string& to) -> coro<> {
        co_await coroscope::gather(wait_in(of, to), hold(of, to));
    };
    on.run(both(c, log));
    CHECK(log == "hw");
    CHECK(on.now() == 1s);
}

TEST_CASE("a task is woken for no reason before time goes on") {
    early_loop on;
    on.policy.conditions = 1;
    on.policy.waits_for_idleness = true;
    condition c;
    std::string log;
    auto sleeps = [](condition& of, std::string& to) -> coro<> {
        auto waiting = coroscope::get_running_loop().create_task(wait_in(of, to));
        co_await coroscope::sleep_for(1s);
        to += waiting.done() ? 'd' : '-';
    };
    on.run(sleeps(c, log));
    CHECK(log == "wd");
    CHECK(on.policy.offered == "c.");
    CHECK_FALSE(c.locked());
}

TEST_CASE("time limits of each kind are up before their time, and time does not move for that") {
    for (auto* const limited : {&sleep_limited, &sleep_in_scope, &ask_for_completed}) {
        early_loop on;
        on.policy.limits = 1;
        coroscope::duration up_at = -1s;
        on.run(measure(on, up_at, limited));
        CHECK(up_at == 0s);
    }
}

TEST_CASE("waiting for several tasks ends before its limit with those that are left") {
    early_loop on;
    on.policy.limits = 1;
    std::size_t left = 0;
    auto waits = [](std::size_t& pending) -> coro<> {
        std::vector<coroscope::task<>> tasks{coroscope::get_running_loop().create_task(nap(1h))};
        const auto found =
            co_await coroscope::wait(tasks, coroscope::return_when::all_completed, 10s);
        pending = found.pending.size();
        tasks.front().cancel();
    };
    on.run(waits(left));
    CHECK(left == 1);
    CHECK(on.now() == 0s);
}

TEST_CASE("sleeps and callbacks are never early, and limits keep the order of their deadlines") {
    early_loop on;
    on.policy.limits = 100;
    on.policy.waits_for_idleness = true;
    std::string log;
    auto limits = [](early_loop& in, std::string& to) -> coro<> {
        in.v.loop.call_later(1s, [&to] { to += 'c'; });
        auto of = [](std::string& l, char letter, coroscope::duration length) -> coro<> {
            try {
                co_await coroscope::wait_for(nap(3s), length);
            } catch (const timeout_error&) { l += letter; }
        };
        co_await coroscope::gather(of(to, 'l', 20s), of(to, 's', 10s), of(to, 'x', 30s));
        co_await coroscope::sleep_for(1s);
    };
    on.run(limits(on, log));
    CHECK(log == "slxc");
    CHECK(on.policy.offered == "l.l.l.");
    CHECK(on.now() == 1s);
}

TEST_CASE("a policy that picks what was not offered ends the run, early or not") {
    early_loop on;
    on.policy.limits = 1;
    on.policy.beyond = 1;
    auto body = []() -> coro<> {
        coroscope::get_running_loop().call_soon([] {});
        coroscope::get_running_loop().call_soon([] {});
        co_await sleep_limited();
    };
    CHECK_THROWS_AS(on.run(body()), std::out_of_range);
}

TEST_CASE("a policy that allows nothing is asked nothing") {
    early_loop on;
    coroscope::duration up_at = -1s;
    on.run(measure(on, up_at, &sleep_limited));
    CHECK(up_at == 10s);
    CHECK(on.policy.offered.empty());
}
