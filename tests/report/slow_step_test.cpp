// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/slow_step.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

slow_step sample() {
    slow_step step;
    step.sequence = 4;
    step.loop_id = 1;
    step.task_id = 7;
    step.name = "serve";
    step.created_at = {"main.cpp", 20, "main()"};
    step.from = {"gzip.cpp", 40, "serve()"};
    step.to = {"gzip.cpp", 57, "serve()"};
    step.wall = 150ms;
    step.threshold = 5ms;
    step.loop_time = 12s;
    step.when = std::chrono::system_clock::time_point(1'700'000'000s);
    return step;
}

}  // namespace

TEST_CASE("the first line of a slow step is asyncio's", "[report]") {
    CHECK(summary(sample())
          == "Executing <task 'serve' id=7 created at main.cpp:20> took 0.150 seconds");
}

TEST_CASE("a callback without name or origin still has a first line", "[report]") {
    slow_step step;
    step.kind = step_kind::callback;
    step.wall = 1999600us;
    CHECK(summary(step) == "Executing <callback> took 2.000 seconds");
}

TEST_CASE("a span is told by what is known of it", "[report]") {
    auto step = sample();
    CHECK(describe_span(step) == "gzip.cpp:40 to line 57");
    step.to.file = "other.cpp";
    CHECK(describe_span(step) == "gzip.cpp:40 to other.cpp:57");
    step.to = {};
    CHECK(describe_span(step) == "gzip.cpp:40 to the coroutine's end");
    step.to = step.from;
    step.from = {};
    CHECK(describe_span(step) == "gzip.cpp:40, reached from the coroutine's start");
    step.to = {};
    CHECK(describe_span(step) == "main.cpp:20, where it was created");
    step.created_at = {};
    CHECK(describe_span(step) == "(unknown place)");
}

TEST_CASE("the offending position is the one that the span begins with", "[report]") {
    auto step = sample();
    CHECK(offending_position(step).line == 40);
    step.from = {};
    CHECK(offending_position(step).line == 57);
    step.to = {};
    CHECK(offending_position(step).line == 20);
}

TEST_CASE("a slow step survives the way through JSON", "[report]") {
    auto step = sample();
    const auto bare = to_json(step);
    CHECK(read_slow_step(json_view(bare)) == step);

    step.cpu = 149ms;
    step.stack = stack{{{"deflate", "", 0, "", 0, false}}, true};
    step.cause.emplace();
    step.cause->verdict = step_verdict::not_scheduled;
    step.kind = step_kind::io_poll;
    const auto full = to_json(step);
    CHECK(read_slow_step(json_view(full)) == step);

    step.stack.reset();
    step.stack_trouble = "the thread has ended";
    const auto without_stack = to_json(step);
    CHECK(read_slow_step(json_view(without_stack)) == step);
}

TEST_CASE("a slow step becomes a finding that says where, how long and what to do", "[report]") {
    auto step = sample();
    step.cpu = 3ms;
    step.stack = stack{};
    const auto found = to_finding(step);
    CHECK(found.rule == "slow-step");
    CHECK(found.severity == severity::warning);
    CHECK(found.verdict == verdict::confirmed);
    CHECK(found.where == step.from);
    CHECK(found.fingerprint == fingerprint(step));
    CHECK(found.evidence.size() == 4);
    CHECK(found.message ==
        "Executing <task 'serve' id=7 created at main.cpp:20> took 0.150 seconds at gzip.cpp:40 to line 57 "
        "(threshold 0.005, CPU 0.003); the loop ran nothing else meanwhile: move the work between these lines to "
        "run_in_executor, or split it with yield_now()");
    step.cause.emplace();
    step.cause->verdict = step_verdict::not_scheduled;
    CHECK_THAT(
        to_finding(step).message,
        Contains("(threshold 0.005, CPU 0.003, not scheduled by the operating system); the loop"));
}

TEST_CASE("the fingerprint of a slow step follows the function, not task, line or duration",
          "[report]") {
    auto moved = sample();
    moved.task_id = 99;
    moved.name = "serve-99";
    moved.from.line += 3;
    moved.to.line += 3;
    moved.wall = 1s;
    moved.created_at.line = 1;
    CHECK(fingerprint(moved) == fingerprint(sample()));

    auto first_step = sample();
    first_step.from = {};
    CHECK(fingerprint(first_step) != fingerprint(sample()));

    slow_step callback;
    callback.created_at = {"main.cpp", 3, "main()"};
    auto other = callback;
    other.created_at.function = "start()";
    CHECK(fingerprint(callback) != fingerprint(other));
}
