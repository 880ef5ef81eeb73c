// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/step_cause.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;
using namespace std::chrono_literals;

namespace {

step_cause sample_cause() {
    step_cause cause;
    cause.verdict = step_verdict::blocked;
    cause.system_call = "read";
    cause.target = "descriptor 5, pipe:[81733]";
    cause.cpu = 1ms;
    cause.blocked = 148ms;
    cause.not_scheduled = 500us;
    cause.voluntary_switches = 1;
    return cause;
}

}  // namespace

TEST_CASE("the verdict of a step is told with where its time went", "[report][golden]") {
    auto cause = sample_cause();
    CHECK(to_string(cause)
          == "blocked in the kernel: read (descriptor 5, pipe:[81733]) (CPU 0.001 s, blocked 0.148 s, "
             "not scheduled 0.001 s)");
    cause.target.clear();
    CHECK(describe_verdict(cause) == "blocked in the kernel: read");
    cause.system_call.clear();
    CHECK(describe_verdict(cause) == "blocked in the kernel, in calls shorter than this");
    cause.verdict = step_verdict::not_scheduled;
    CHECK(describe_verdict(cause) == "not scheduled by the operating system");
    cause.verdict = step_verdict::page_faults;
    CHECK(describe_verdict(cause) == "blocked in the kernel: page faults");
    cause.verdict = step_verdict::computing;
    cause.minor_faults = 2000;
    cause.major_faults = 3;
    CHECK(to_string(cause)
          == "computing (CPU 0.001 s, blocked 0.148 s, not scheduled 0.001 s, page faults 2003, 3 of "
             "them from a device)");
}

TEST_CASE("a step's cause survives the way through JSON", "[report]") {
    auto cause = sample_cause();
    cause.involuntary_switches = 2;
    cause.minor_faults = 3;
    cause.major_faults = 4;
    const auto full = to_json(cause);
    CHECK(read_step_cause(json_view(full)) == cause);
    const step_cause nothing;
    const auto bare = to_json(nothing);
    CHECK(read_step_cause(json_view(bare)) == nothing);
    CHECK_FALSE(bare.contains("system_call"));
}

TEST_CASE("a verdict that nobody knows is refused", "[report]") {
    auto json = to_json(sample_cause());
    json["verdict"] = "lazy";
    CHECK_THROWS_AS(read_step_cause(json_view(json)), report_error);
}
