// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/gate.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

slow_step step_in(const std::string& function, std::uint32_t line, std::chrono::nanoseconds wall) {
    slow_step step;
    step.name = "serve";
    step.from = {"gzip.cpp", line, function};
    step.to = {"gzip.cpp", line + 10, function};
    step.wall = wall;
    return step;
}

finding race(std::string fingerprint, verdict sure, severity how_bad = severity::error) {
    finding made;
    made.rule = "stale-write";
    made.fingerprint = std::move(fingerprint);
    made.verdict = sure;
    made.severity = how_bad;
    made.message = "task 1 wrote what was out of date. Hold a mutex.";
    made.where = {"bank.cpp", 27, "deposit()"};
    return made;
}

report run_with(std::vector<slow_step> steps, std::chrono::nanoseconds recorded_at = 5ms) {
    report run;
    run.slow_threshold = recorded_at;
    run.slow_steps = std::move(steps);
    return run;
}

}  // namespace

TEST_CASE("a run without slow steps passes", "[gate]") {
    const auto result = check_gate(run_with({}), {5ms, 0});
    CHECK(result.verdict == gate_verdict::pass);
    CHECK(exit_code(result.verdict) == 0);
    CHECK(result.lines
          == std::vector<std::string>{"gate passed: 0 slow steps of 5.00 ms or more, allowed 0"});
}

TEST_CASE("one step over the budget fails and names file and line", "[gate]") {
    const auto result = check_gate(run_with({step_in("zip()", 40, 8ms)}), {5ms, 0});
    CHECK(result.verdict == gate_verdict::fail);
    CHECK(exit_code(result.verdict) == 1);
    REQUIRE(result.lines.size() == 3);
    CHECK(result.lines[0] == "gate failed: 1 slow step of 5.00 ms or more, allowed 0");
    CHECK(result.lines[1]
          == "gzip.cpp:40 to line 50: 1 slow step, longest 8.00 ms, total 8.00 ms (task 'serve')");
    CHECK_THAT(result.lines[2], Contains("run_in_executor"));
}

TEST_CASE("a place says what kept its longest step, where somebody watched that",
          "[gate][golden]") {
    auto watched = step_in("zip()", 40, 8ms);
    watched.cause.emplace();
    watched.cause->verdict = step_verdict::blocked;
    watched.cause->system_call = "fsync";
    const auto result = check_gate(run_with({watched, step_in("zip()", 40, 6ms)}), {5ms, 0});
    REQUIRE(result.lines.size() == 3);
    CHECK(result.lines[1]
          == "gzip.cpp:40 to line 50: 2 slow steps, longest 8.00 ms, total 14.0 ms (task 'serve'); the "
             "longest was blocked in the kernel: fsync");
    CHECK(to_json(result)["places"][0]["cause"] == "blocked in the kernel: fsync");
}

TEST_CASE("the threshold is inclusive and the budget too", "[gate]") {
    const auto run = run_with({step_in("zip()", 40, 10ms), step_in("zip()", 40, 10ms - 1ns)});
    CHECK(check_gate(run, {10ms, 0}).slow == 1);
    CHECK(check_gate(run, {10ms, 0}).verdict == gate_verdict::fail);
    CHECK(check_gate(run, {10ms, 1}).verdict == gate_verdict::pass);
    CHECK(check_gate(run, {10ms + 1ns, 0}).verdict == gate_verdict::pass);
}

TEST_CASE("steps of one place are told together, the place with the longest step first", "[gate]") {
    auto longest = step_in("zip()", 40, 30ms);
    longest.name = "serve-9";
    const auto result = check_gate(run_with({step_in("log()", 7, 20ms), step_in("zip()", 40, 6ms),
                                             longest, step_in("zip()", 41, 7ms)}),
                                   {5ms, 0});
    REQUIRE(result.places.size() == 3);
    CHECK(result.places[0].where.line == 40);
    CHECK(result.places[0].count == 2);
    CHECK(result.places[0].max == 30ms);
    CHECK(result.places[0].total == 36ms);
    CHECK(result.places[0].name == "serve-9");
    CHECK(result.places[1].where.line == 7);
    CHECK(result.places[2].where.line == 41);
}

TEST_CASE("a threshold below the recorded one is unusable, not a guess", "[gate]") {
    const auto result = check_gate(run_with({}, 100ms), {5ms, 0});
    CHECK(result.verdict == gate_verdict::unusable);
    CHECK(exit_code(result.verdict) == 2);
    REQUIRE(result.lines.size() == 1);
    CHECK_THAT(result.lines[0],
               StartsWith("gate unusable: the report recorded steps of 100 ms or more"));
    CHECK_THAT(result.lines[0], Contains("5.00 ms or less, or raise --threshold"));
    CHECK(check_gate(run_with({}, 100ms), {100ms, 0}).verdict == gate_verdict::pass);
}

TEST_CASE("what the baseline knows is excused, even on another line", "[gate]") {
    const auto baseline = run_with({step_in("zip()", 40, 8ms)});
    const auto run = run_with({step_in("zip()", 45, 9ms), step_in("log()", 7, 6ms)});
    const auto result = check_gate(run, {5ms, 0}, &baseline);
    CHECK(result.verdict == gate_verdict::fail);
    CHECK(result.in_baseline == 1);
    CHECK(result.slow == 1);
    REQUIRE(result.places.size() == 1);
    CHECK(result.places[0].where.line == 7);
    CHECK_THAT(result.lines[0], Contains("1 more in places that the baseline knows"));
    CHECK(check_gate(run_with({step_in("zip()", 45, 9ms)}), {5ms, 0}, &baseline).verdict
          == gate_verdict::pass);
}

TEST_CASE("a place that was fast enough in the baseline is not excused", "[gate]") {
    const auto baseline = run_with({step_in("zip()", 40, 2ms)}, 1ms);
    const auto run = run_with({step_in("zip()", 40, 90ms)});
    CHECK(check_gate(run, {5ms, 0}, &baseline).verdict == gate_verdict::fail);
}

TEST_CASE("a baseline that recorded at a higher threshold is unusable", "[gate]") {
    const auto baseline = run_with({}, 50ms);
    const auto result = check_gate(run_with({}), {5ms, 0}, &baseline);
    CHECK(result.verdict == gate_verdict::unusable);
    CHECK_THAT(result.lines[0], Contains("the baseline recorded steps of 50.0 ms or more"));
}

TEST_CASE("dropped steps matter only where they could count", "[gate]") {
    auto run = run_with({step_in("zip()", 40, 8ms), step_in("zip()", 40, 6ms)});
    run.slow_steps_dropped = 3;
    CHECK(check_gate(run, {7ms, 1}).verdict
          == gate_verdict::pass);  // dropped ones were at most 6 ms
    CHECK(check_gate(run, {5ms, 4}).verdict == gate_verdict::unusable);  // 2 to 5 of them
    CHECK(check_gate(run, {5ms, 5}).verdict == gate_verdict::pass);
    CHECK(check_gate(run, {5ms, 1}).verdict == gate_verdict::fail);
}

TEST_CASE("dropped steps in a report that kept none are not forgotten", "[gate]") {
    auto run = run_with({});
    run.slow_steps_dropped = 1;
    CHECK(check_gate(run, {1s, 0}).verdict == gate_verdict::unusable);
}

TEST_CASE("the answer goes to machines as well", "[gate]") {
    const auto json = to_json(check_gate(run_with({step_in("zip()", 40, 8ms)}), {5ms, 0}));
    CHECK(json["verdict"] == "fail");
    CHECK(json["slow"] == 1);
    CHECK(json["places"][0]["where"]["line"] == 40);
    CHECK(json["places"][0]["max_ns"] == 8'000'000);
    CHECK(json["lines"].size() == 3);
    CHECK(to_json(check_gate(run_with({}), {0ms, 0}))["verdict"] == "unusable");
    CHECK(to_json(check_gate(run_with({}), {5ms, 0}))["verdict"] == "pass");
}

TEST_CASE("confirmed findings that the baseline does not have are to fail a build", "[gate]") {
    report run;
    run.findings = {race("new", verdict::confirmed), race("known", verdict::confirmed),
                    race("guess", verdict::predicted),
                    race("remark", verdict::confirmed, severity::note)};
    report baseline;
    baseline.findings = {race("known", verdict::predicted)};
    const auto found = new_findings(run, &baseline);
    REQUIRE(found.size() == 1);
    CHECK(found[0].fingerprint == "new");
    CHECK(new_findings(run).size() == 2);
    CHECK(new_findings(run, &baseline, severity::note).size() == 2);
    CHECK(new_findings(run, &baseline, severity::warning, true).size() == 2);
}

TEST_CASE("a confirmed finding fails the gate, and is told with its line", "[gate][golden]") {
    auto run = run_with({});
    run.findings = {race("new", verdict::confirmed), race("guess", verdict::predicted)};
    const auto result = check_gate(run, {5ms, 0});
    CHECK(result.verdict == gate_verdict::fail);
    CHECK(result.lines
          == std::vector<std::string>{
              "gate failed: 0 slow steps of 5.00 ms or more, allowed 0; 1 finding, 1 more that are "
              "predicted and do not count",
              "bank.cpp:27: stale-write, confirmed: task 1 wrote what was out of date. Hold a "
              "mutex."});
    const auto json = to_json(result);
    CHECK(json["findings"][0]["fingerprint"] == "new");
    CHECK(json["predicted_findings"] == 1);
}

TEST_CASE("a predicted one does not, unless that is asked for; nor does a note", "[gate]") {
    auto run = run_with({});
    run.findings = {race("guess", verdict::predicted), race("harmless", verdict::benign),
                    race("remark", verdict::confirmed, severity::note)};
    CHECK(check_gate(run, {5ms, 0}).verdict == gate_verdict::pass);
    gate_budget strict{5ms, 0};
    strict.counts_predicted = true;
    const auto result = check_gate(run, strict);
    CHECK(result.verdict == gate_verdict::fail);
    CHECK(result.findings.size() == 1);
}

TEST_CASE("a slow step that is told as a finding, too, has the steps' budget", "[gate]") {
    auto run = run_with({step_in("serve()", 40, 8ms)});
    run.findings = {to_finding(run.slow_steps[0])};
    CHECK(check_gate(run, {5ms, 1}).verdict == gate_verdict::pass);
    CHECK(check_gate(run, {5ms, 1}).predicted_findings == 0);
    run.findings[0].rule = "slow-stop";
    CHECK(check_gate(run, {5ms, 1}).verdict == gate_verdict::fail);
}

TEST_CASE("findings alone can be judged where no steps were recorded", "[gate][golden]") {
    auto run = run_with({step_in("zip()", 40, 8ms)}, 1s);
    gate_budget budget{0ms, 0};
    CHECK(check_gate(run, budget).verdict == gate_verdict::unusable);
    budget.judges_steps = false;
    CHECK(check_gate(run, budget).lines == std::vector<std::string>{"gate passed: 0 findings"});
    run.findings = {race("new", verdict::confirmed)};
    CHECK(check_gate(run, budget).verdict == gate_verdict::fail);
}

TEST_CASE("what the baseline knows is excused, and what it alone knows is told", "[gate][golden]") {
    auto baseline = run_with({step_in("zip()", 40, 8ms), step_in("log()", 7, 6ms)});
    baseline.findings = {race("known", verdict::confirmed), race("mended", verdict::confirmed)};
    auto run = run_with({step_in("zip()", 45, 9ms)});
    run.findings = {race("known", verdict::confirmed)};
    const auto result = check_gate(run, {5ms, 0}, &baseline);
    CHECK(result.verdict == gate_verdict::pass);
    CHECK(result.lines
          == std::vector<std::string>{
              "gate passed: 0 slow steps of 5.00 ms or more, allowed 0; 1 more in places that the "
              "baseline knows; 0 findings, 1 more that the baseline knows",
              "no longer seen: gzip.cpp:7 to line 17: slow step",
              "no longer seen: bank.cpp:27: stale-write"});
    CHECK(to_json(result)["stale"].size() == 2);
    CHECK(check_gate(baseline, {5ms, 0}, &baseline).stale.empty());
}

TEST_CASE("a report that no spotter worked on passes no gate for steps", "[gate][golden]") {
    const auto never = std::chrono::nanoseconds::max();
    const auto without = run_with({}, never);
    for (const auto threshold : {never, std::chrono::nanoseconds(5ms)}) {
        CHECK(
            check_gate(without, {threshold, 0}).lines
            == std::vector<std::string>{
                "gate unusable: no slow_spotter worked on the report, so it knows nothing of slow "
                "steps; add one, or judge with --findings-only"});
    }
    gate_budget findings_alone{never, 0};
    findings_alone.judges_steps = false;
    CHECK(check_gate(without, findings_alone).verdict == gate_verdict::pass);
    const auto with = run_with({});
    const auto result = check_gate(with, {5ms, 0}, &without);
    CHECK(result.verdict == gate_verdict::unusable);
    CHECK_THAT(result.lines.at(0), Contains("no slow_spotter worked on the baseline"));
}

TEST_CASE("findings that a report dropped are told", "[gate][golden]") {
    auto run = run_with({});
    run.findings_dropped = 3;
    CHECK(check_gate(run, {5ms, 0}).verdict == gate_verdict::pass);
    CHECK(check_gate(run, {5ms, 0}).lines
          == std::vector<std::string>{
              "gate passed: 0 slow steps of 5.00 ms or more, allowed 0",
              "the report dropped 3 findings or accesses, which were not judged"});
}
