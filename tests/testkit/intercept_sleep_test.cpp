// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/intercept_sleep.hpp>

#include "support/catch.hpp"

#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/mock.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::sleep_for;
using coroscope::testkit::intercept_sleep;
using coroscope::testkit::this_test;
using durations = std::vector<coroscope::duration>;

namespace {

coro<> back_off(int times) {
    auto pause = 1s;
    for (int i = 0; i < times; ++i) {
        co_await sleep_for(pause);
        pause *= 2;
    }
}

coro<> note_after(coroscope::duration pause, std::string& to, char what) {
    co_await sleep_for(pause);
    to += what;
}

}  // namespace

CO_TEST_CASE("an intercepted sleep is recorded and takes no time", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    co_await back_off(3);
    CO_CHECK(sleeps.durations() == durations{1s, 2s, 4s});
    CO_CHECK(sleeps.total() == 7s);
    CO_CHECK(this_test().clock().elapsed() == 0s);
}

CO_TEST_CASE("sleep_until is recorded with the time that was left", "[intercept_sleep]") {
    co_await sleep_for(5s);
    const intercept_sleep sleeps;
    co_await coroscope::sleep_until(this_test().clock().now() + 3s);
    co_await coroscope::sleep_until(this_test().clock().now() - 1s);
    co_await sleep_for(0s);
    CO_CHECK(sleeps.durations() == durations{3s, -1s, 0s});
    CO_CHECK(this_test().clock().elapsed() == 5s);
}

CO_TEST_CASE("a record says who slept and where", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    co_await sleep_for(1s);
    CO_REQUIRE(sleeps.sleeps().size() == 1);
    CO_CHECK(sleeps.sleeps()[0].where.line() == __LINE__ - 2);
    CO_CHECK(sleeps.sleeps()[0].task_id == coroscope::current_task().id());
}

CO_TEST_CASE("an intercepted sleep is over when its turn comes, not before", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    std::string order;
    auto& loop = this_test().loop();
    auto a = loop.create_task(note_after(2h, order, 'a'));
    auto b = loop.create_task(note_after(1h, order, 'b'));
    loop.call_soon([&] { order += '-'; });
    co_await a;
    co_await b;
    CO_CHECK(order == "-ab");
}

CO_TEST_CASE("timeouts and timers are not intercepted", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    auto& loop = this_test().loop();
    auto never = loop.create_future<>();
    CO_CHECK_THROWS_AS(co_await coroscope::wait_for(never, 2s), coroscope::timeout_error);
    CO_CHECK(this_test().clock().elapsed() == 2s);
    CO_CHECK(sleeps.sleeps().empty());
}

CO_TEST_CASE("the delay of a mock is no sleep of the code under test", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    coroscope::testkit::coroutine_mock<int()> fetch("fetch");
    fetch.delays(2s).returns(1);
    CO_CHECK(co_await fetch() == 1);
    CO_CHECK(this_test().clock().elapsed() == 2s);
    CO_CHECK(sleeps.sleeps().empty());
}

CO_TEST_CASE("an endless sleep stays endless", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    std::string order;
    auto endless =
        this_test().loop().create_task(note_after(coroscope::duration::max(), order, 'x'));
    co_await coroscope::testkit::settle();
    CO_CHECK_FALSE(endless.done());
    CO_CHECK(sleeps.sleeps().empty());
    endless.cancel();
    CO_CHECK_THROWS_AS(co_await endless, coroscope::cancelled_error);
}

CO_TEST_CASE("the innermost interception records, and the end of one is its end",
             "[intercept_sleep]") {
    const intercept_sleep outer;
    {
        const intercept_sleep inner;
        co_await sleep_for(1s);
        CO_CHECK(inner.durations() == durations{1s});
    }
    co_await sleep_for(2s);
    CO_CHECK(outer.durations() == durations{2s});
    CO_CHECK(this_test().clock().elapsed() == 0s);
}

CO_TEST_CASE("sleeps last again once nobody intercepts them", "[intercept_sleep]") {
    {
        const intercept_sleep sleeps;
        co_await sleep_for(1h);
    }
    co_await sleep_for(2s);
    CO_CHECK(this_test().clock().elapsed() == 2s);
}

CO_TEST_CASE("a cancelled task does not sleep, intercepted or not", "[intercept_sleep]") {
    const intercept_sleep sleeps;
    coroscope::current_task().cancel();
    CO_CHECK_THROWS_AS(co_await sleep_for(1s), coroscope::cancelled_error);
    CO_CHECK(sleeps.sleeps().empty());
    coroscope::current_task().uncancel();
}

TEST_CASE("without a running loop there is nothing to intercept", "[intercept_sleep]") {
    CHECK_THROWS_AS(intercept_sleep(), std::logic_error);
}

TEST_CASE("another loop's sleeps are its own, and an interception may outlive its loop",
          "[intercept_sleep]") {
    auto one = std::make_unique<coroscope::loop>();
    const intercept_sleep sleeps(*one);
    coroscope::testkit::fake_clock clock;
    coroscope::loop_options options;
    options.clock = &clock;
    coroscope::loop other(options);
    other.run_until_complete(back_off(1));
    CHECK(clock.elapsed() == 1s);
    one->run_until_complete(back_off(1));
    CHECK(sleeps.durations() == durations{1s});
    one.reset();
}
