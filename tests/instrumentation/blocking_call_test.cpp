// SPDX-License-Identifier: Apache-2.0
// The whole way of a blocking call: a thread that waits in the kernel, the watchdog that sees it,
// the record of its step, the finding.
#include <coroscope/instrumentation/lints.hpp>

#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/instrumentation/stall_watchdog.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <unistd.h>

using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// A pipe that is fed by the watchdog's handler, once that has seen somebody wait for it.
struct menu {
    menu() { REQUIRE(::pipe(ends.data()) == 0); }
    ~menu() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    menu(const menu&) = delete;
    menu& operator=(const menu&) = delete;

    void choose() const { static_cast<void>(!::write(ends[1], "3", 1)); }
    [[nodiscard]] char read_choice() const {
        char choice = 0;
        return ::read(ends[0], &choice, 1) == 1 ? choice : '\0';
    }
    std::array<int, 2> ends{};
};

coroscope::coro<char> read_on_loop(const menu& from) {
    co_await coroscope::yield_now();
    co_return from.read_choice();
}

/// Findings of one run whose only slow step waits until the watchdog has seen in what.
std::vector<coroscope::report::finding> findings_of_menu() {
    lints watching;
    const menu choices;
    stall_watchdog_options for_watchdog;
    for_watchdog.reports_per_minute = 1000;
    for_watchdog.handler = [&choices](const stall& seen) {
        const bool waits = seen.step.cause && seen.step.cause->system_call == "read";
        if (waits || seen.times_threshold == 8) { choices.choose(); }
    };
    stall_watchdog watchdog(for_watchdog);
    slow_spotter_options spotting;
    spotting.watchdog = &watchdog;
    spotting.log = false;
    spotting.handler = [&watching](const coroscope::report::slow_step& step) {
        watching.note_slow_step(step);
    };
    slow_spotter spotter(spotting);
    coroscope::loop_options options;
    options.slow_callback_duration = 20ms;
    coroscope::loop l(options);
    watching.attach_to(l);
    spotter.attach_to(l);
    watchdog.attach_to(l);
    l.run_until_complete(l.create_task(read_on_loop(choices), "menu"));
    watchdog.detach_from(l);
    return watching.findings();
}

}  // namespace

TEST_CASE("a task that reads a menu from a blocking descriptor is found by the watchdog",
          "[serial]") {
    std::vector<coroscope::report::finding> found;
    // A busy machine may keep the step from its call for longer than it waits in it: "not
    // scheduled" then, and rightly so.
    for (int attempt = 0; attempt < 30 && found.empty(); ++attempt) {
        found = findings_of_menu();
    }
    REQUIRE(found.size() == 1);
    INFO(found[0].message);
    CHECK(found[0].rule == "blocking-call");
    CHECK(found[0].message.find("(menu) reads from a blocking descriptor") != std::string::npos);
    CHECK(found[0].where.function.find("read_on_loop") != std::string::npos);
}
