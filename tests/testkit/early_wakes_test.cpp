// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using coroscope::condition;
using coroscope::coro;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::replay;
using coroscope::testkit::run_test;
using coroscope::testkit::strategy;

// Wake-ups for no reason and limits that are up early, as decisions of explorations.

namespace {

explore_options waking(std::size_t wakeups, std::size_t limits) {
    explore_options options;
    options.seed = 1;
    options.max_spurious_wakeups = wakeups;
    options.max_early_timeouts = limits;
    return options;
}

struct letter_box {
    condition changed;
    bool has_letter = false;
    bool found_none = false;
};

coro<> sleep_a_second() {
    co_await coroscope::sleep_for(1s);
}

coro<> expect_in_time(const bool& is_wrong) {
    bool is_late = false;
    try {
        co_await coroscope::wait_for(sleep_a_second(), 2s);
    } catch (const coroscope::timeout_error&) { is_late = true; }
    coroscope::instrumentation::effect("is late", is_late);
    if (is_late && is_wrong) { throw std::runtime_error("too late"); }
}

coro<> deliver(letter_box& box) {
    co_await coroscope::sleep_for(1s);
    const auto lock = co_await box.changed.scoped();
    box.has_letter = true;
    box.changed.notify();
}

/// Takes a wake-up for a letter.
coro<> collect(letter_box& box) {
    const auto lock = co_await box.changed.scoped();
    if (!box.has_letter) { co_await box.changed.wait(); }
    box.found_none = !box.has_letter;
}

coro<> collect_with_care(letter_box& box) {
    const auto lock = co_await box.changed.scoped();
    const auto comes = [&box] {
        return box.has_letter;
    };
    co_await box.changed.wait_for(comes);
    box.found_none = !box.has_letter;
}

template <coro<> (*Collect)(letter_box&)>
coro<> post_office() {
    letter_box box;
    co_await coroscope::gather(Collect(box), deliver(box));
    if (box.found_none) { throw std::runtime_error("no letter was there"); }
}

struct order {
    bool was_paid = false;
    bool was_sent = false;
};

coro<> handle(order& o) {
    co_await coroscope::sleep_for(1s);
    o.was_paid = true;
    co_await coroscope::sleep_for(1s);
    o.was_sent = true;
}

/// Between the two seconds the order is in no good state, if it ends there.
coro<> impatient() {
    order o;
    try {
        co_await coroscope::wait_for(handle(o), 1h);
    } catch (const coroscope::timeout_error&) {}
    if (o.was_paid && !o.was_sent) { throw std::runtime_error("paid, and never sent"); }
}

coro<> nap(coroscope::duration length) {
    co_await coroscope::sleep_for(length);
}

coro<> waits_for_limits(std::string& log) {
    for (int i = 0; i < 3; ++i) {
        try {
            co_await coroscope::wait_for(nap(1s), 2s);
            log += 's';
        } catch (const coroscope::timeout_error&) { log += 't'; }
    }
}

}  // namespace

TEST_CASE("orders of timers below a time limit are replayed, and wake nothing early", "[explore]") {
    const auto body = []() -> coro<> {
        auto both = coroscope::gather(nap(1s), nap(1s));
        co_await coroscope::wait_for(std::move(both), 1h);
    };
    explore_options options;
    options.strategy = strategy::random_walk;
    options.max_executions = 50;
    options.checked_executions = 50;  // each is run again by its schedule
    options.seed = 1;
    const auto found = explore(body, options);
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.coverage.distinct_schedules > 1);
}

TEST_CASE("a task that takes a wake-up for a notification is found where wake-ups are allowed",
          "[explore]") {
    const auto body = post_office<&collect>;
    CHECK(run_test(body).ok());
    CHECK(explore(body, waking(0, 0)).exhausted);
    const auto found = explore(body, waking(1, 0));
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->shrunk_size == 1);
    CHECK(found.failure->message.find("woken early, from collect, ") != std::string::npos);
    for (int i = 0; i < 3; ++i) {  // the schedule says it all: replays need no options
        const auto again = replay(body, found.failure->shrunk);
        REQUIRE(again.failures.size() == 1);
        CHECK(again.event_log_hash == found.failure->shrunk_result.event_log_hash);
    }
}

TEST_CASE("waiting in a loop is right, however often it is woken", "[explore]") {
    const auto tried = explore(post_office<&collect_with_care>, waking(2, 0));
    CHECK(tried.ok());
    CHECK(tried.exhausted);
    CHECK(tried.executions > explore(post_office<&collect_with_care>, waking(0, 0)).executions);
}

TEST_CASE("a limit that is up at any moment is found, though in virtual time it never is",
          "[explore]") {
    CHECK(explore(impatient, waking(0, 0)).exhausted);
    const auto found = explore(impatient, waking(0, 1));
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->message.find("the time limit of impatient, ") != std::string::npos);
    CHECK(found.failure->message.find("is up early") != std::string::npos);
    CHECK_FALSE(replay(impatient, found.failure->schedule).ok());
    CHECK_FALSE(replay(impatient, found.failure->shrunk).ok());
}

TEST_CASE("what comes of a limit that is up early is compared with no serial run", "[explore]") {
    bool is_wrong = true;
    const auto body = [&is_wrong] {
        return expect_in_time(is_wrong);
    };
    const auto found = explore(body, waking(0, 1));
    REQUIRE_FALSE(found.ok());
    is_wrong = false;
    auto options = waking(0, 0);
    options.check_outcomes = true;
    const auto again = replay(body, found.failure->schedule, options);
    CAPTURE(to_string(again));
    CHECK(again.ok());
}

TEST_CASE("every strategy that draws wakes early", "[explore]") {
    for (const auto s : {strategy::random_walk, strategy::uniform_walk, strategy::selective_walk,
                         strategy::partial_order_sampling, strategy::pct_2, strategy::pct_3}) {
        auto options = waking(0, 1);
        options.strategy = s;
        const auto found = explore(impatient, options);
        INFO(to_string(s) << ": " << to_string(found));
        CHECK_FALSE(found.ok());
    }
}

TEST_CASE("no more is woken early in one execution than is allowed", "[explore]") {
    std::string all;
    const auto body = [&all] {
        all += ' ';
        return waits_for_limits(all);
    };
    auto options = waking(0, 1);
    options.strategy = strategy::depth_first;
    options.checked_executions = 0;
    const auto tried = explore(body, options);
    CHECK(tried.exhausted);
    for (const auto* log : {" sss", " tss", " sts", " sst"}) {
        CHECK(all.find(log) != std::string::npos);
    }
    CHECK(all.find("tt") == std::string::npos);
    CHECK(all.find("tst") == std::string::npos);
}
