// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/run_report.hpp>

#include <coroscope/instrumentation/lints.hpp>

#include <coroscope/report/gate.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <string>

#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

coro<int> block(std::uint32_t& line) {
    line = __LINE__ + 1;
    co_await yield_now();
    busy_wait(4ms);
    co_return 1;
}

struct temporary_folder {
    temporary_folder()
        : path(fs::temp_directory_path() / ("coroscope-test-" + std::to_string(::getpid()))) {
        fs::create_directories(path);
    }
    ~temporary_folder() { fs::remove_all(path); }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    fs::path path;
};

report::report report_of_blocking_run(duration threshold, std::uint32_t& line) {
    slow_spotter spotter;
    profiler p;
    run_report collected("tester");
    run_options options;
    options.prepare = [&](loop& l) {
        l.set_slow_callback_duration(threshold);
        spotter.attach_to(l);
        collected.add(l);
    };
    collected.add(spotter).add(p);
    run(p.profile_time("block", block)(line), options);
    return collected.make();
}

}  // namespace

TEST_CASE("a report has the slow steps, the times and the figures of a run that is over") {
    std::uint32_t line = 0;
    const auto made = report_of_blocking_run(1ms, line);
    CHECK(made.program == "tester");
    CHECK(made.started <= made.finished);
    CHECK(made.slow_threshold == 1ms);
    CHECK(made.slow_steps_dropped == 0);
    REQUIRE_FALSE(made.slow_steps.empty());
    CHECK(made.slow_steps.back().from.line == line);
    CHECK(made.time.at("block").calls == 1);
    REQUIRE(made.loops.size() == 1);
    CHECK(made.loops[0].steps >= 2);
}

TEST_CASE("the gate names the line of a report, and refuses a threshold below the recorded one") {
    std::uint32_t line = 0;
    const auto made = report_of_blocking_run(3ms, line);
    CHECK(check_gate(made, {3ms, 0}).verdict == report::gate_verdict::fail);
    CHECK(check_gate(made, {10s, 0}).verdict == report::gate_verdict::pass);
    CHECK(check_gate(made, {2ms, 0}).verdict == report::gate_verdict::unusable);
    const auto places = check_gate(made, {3ms, 0}).places;
    REQUIRE(places.size() == 1);
    CHECK(places[0].where.line == line);
}

TEST_CASE("a report of a run that no spotter watched passes no gate") {
    slow_spotter never_attached;
    run_report collected;
    CHECK(check_gate(collected.make(), {10s, 0}).verdict == report::gate_verdict::unusable);
    collected.add(never_attached);
    CHECK(check_gate(collected.make(), {10s, 0}).verdict == report::gate_verdict::unusable);
    CHECK_FALSE(collected.make().program.empty());
}

TEST_CASE("what was added may be gone, and several parts are put together") {
    run_report collected("two");
    for (const auto threshold : {0ms, 10'000ms}) {
        slow_spotter spotter;
        profiler p;
        collected.add(spotter).add(p);
        loop_options options;
        options.slow_callback_duration = threshold;
        virtual_loop v(options);
        spotter.attach_to(v.loop);
        std::uint32_t line = 0;
        v.loop.run_until_complete(p.profile_time("block", block)(line));
        p.profile_time("once", [] {})();
    }
    const auto made = collected.make();
    CHECK(made.slow_threshold == 10s);
    CHECK(made.slow_steps.size() == 2);
    CHECK(made.time.at("block").calls == 2);
    CHECK(made.time.at("block").recent.size() == 2);
    CHECK(made.time.at("once").calls == 2);
}

TEST_CASE("a report has the findings of lints that are gone") {
    run_report collected("lints");
    {
        lints watching({.capacity = 1});
        virtual_loop v;
        watching.attach_to(v.loop);
        collected.add(watching);
        v.loop.create_future().set_exception(std::runtime_error("kept"));
        v.loop.create_future().set_exception(std::runtime_error("dropped"));
    }
    const auto made = collected.make();
    REQUIRE(made.findings.size() == 1);
    CHECK(made.findings[0].rule == "lost-exception");
    CHECK(made.findings_dropped == 1);
}

TEST_CASE("a report is written when its scope is left, and reads back as it was") {
    const temporary_folder folder;
    const auto path = folder.path / "report.json";
    slow_spotter spotter;
    run_report collected("writer");
    collected.add(spotter);
    try {
        const report_at_exit at_exit(collected, path);
        CHECK_FALSE(fs::exists(path));
        throw std::runtime_error("left early");
    } catch (const std::runtime_error&) {}
    CHECK(report::read_report(path).program == "writer");
}

TEST_CASE("a report that cannot be written is an error, and never an exception at the end") {
    const report_at_exit at_exit(run_report("nowhere"), "/nonexistent/folder/report.json");
    CHECK_THROWS_AS(at_exit.write(), report::report_error);
}
