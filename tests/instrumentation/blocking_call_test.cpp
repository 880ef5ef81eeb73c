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
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
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

/// A WSGI application with a slow database: it sleeps until that is ready.
struct slow_application {
    std::atomic<bool> ready{false};
    [[nodiscard]] std::string hello() const {
        while (!ready) {
            std::this_thread::sleep_for(50ms);
        }
        return "Hello WSGI";
    }
};

coroscope::coro<std::string> serve_on_loop(const slow_application& application) {
    co_await coroscope::yield_now();
    co_return application.hello();
}

/// A pool that executes a command when it is allowed to.
struct held_pool {
    std::promise<void> allowed;
    std::future<int> execute(int n) {
        return std::async(std::launch::async, [this, n] {
            allowed.get_future().wait();
            return n + 1;
        });
    }
};

coroscope::coro<int> execute_and_block(held_pool& pool, int n) {
    co_await coroscope::yield_now();
    auto executed = pool.execute(n);
    co_return executed.get();
}

/// A checker that polls for its response as a thread would, and sleeps in between.
coroscope::coro<std::string> check_on_loop(const std::atomic<bool>& is_there) {
    co_await coroscope::yield_now();
    while (!is_there) {
        std::this_thread::sleep_for(50ms);
    }
    co_return "bits";
}

/// Findings of one run whose only slow step waits until the watchdog has seen it in `call`, and
/// `release` lets it go on.
template <class Work>
std::vector<coroscope::report::finding> findings_of(Work work, const std::string& name,
                                                    const std::string& call,
                                                    const std::function<void()>& release) {
    std::once_flag released;
    lints watching;
    stall_watchdog_options for_watchdog;
    for_watchdog.reports_per_minute = 1000;
    for_watchdog.handler = [&](const stall& seen) {
        const bool waits = seen.step.cause && seen.step.cause->system_call == call;
        if (waits || seen.times_threshold == 8) { std::call_once(released, release); }
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
    l.run_until_complete(l.create_task(std::move(work), name));
    watchdog.detach_from(l);
    return watching.findings();
}

/// The finding of a run. A busy machine may keep the step from its call for longer than it waits in
/// it: "not scheduled" then, and rightly so; then once more.
coroscope::report::finding only_finding(
    const std::function<std::vector<coroscope::report::finding>()>& run) {
    std::vector<coroscope::report::finding> found;
    for (int attempt = 0; attempt < 30 && found.empty(); ++attempt) {
        found = run();
    }
    REQUIRE(found.size() == 1);
    CHECK(found[0].rule == "blocking-call");
    return found[0];
}

}  // namespace

TEST_CASE("a task that reads a menu from a blocking descriptor is found by the watchdog",
          "[serial]") {
    const auto found = only_finding([] {
        const menu choices;
        return findings_of(read_on_loop(choices), "menu", "read", [&] { choices.choose(); });
    });
    INFO(found.message);
    CHECK(found.message.find("(menu) reads from a blocking descriptor") != std::string::npos);
    CHECK(found.where.function.find("read_on_loop") != std::string::npos);
}

TEST_CASE("a command server that waits for its pool is found by the watchdog", "[serial]") {
    const auto found = only_finding([] {
        held_pool pool;
        return findings_of(execute_and_block(pool, 41), "server", "futex",
                           [&] { pool.allowed.set_value(); });
    });
    INFO(found.message);
    CHECK(found.message.find("(server) waits for another thread") != std::string::npos);
    CHECK(found.where.function.find("execute_and_block") != std::string::npos);
}

TEST_CASE("a WSGI application that sleeps on the loop is found by the watchdog", "[serial]") {
    const auto found = only_finding([] {
        slow_application application;
        return findings_of(serve_on_loop(application), "wsgi", "clock_nanosleep",
                           [&] { application.ready = true; });
    });
    INFO(found.message);
    CHECK(found.message.find("(wsgi) sleeps on the loop's thread") != std::string::npos);
    CHECK(found.where.function.find("serve_on_loop") != std::string::npos);
}

TEST_CASE("a checker that sleeps between its polls is found by the watchdog", "[serial]") {
    const auto found = only_finding([] {
        std::atomic<bool> is_there{false};
        return findings_of(check_on_loop(is_there), "checker", "clock_nanosleep",
                           [&] { is_there = true; });
    });
    INFO(found.message);
    CHECK(found.message.find("(checker) sleeps on the loop's thread") != std::string::npos);
    CHECK(found.where.function.find("check_on_loop") != std::string::npos);
}
