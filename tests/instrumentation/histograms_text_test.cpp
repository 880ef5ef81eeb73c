// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_histograms.hpp>

#include "support/catch.hpp"

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using report::latency_table;

TEST_CASE("the text says what is late first", "[loop_histograms]") {
    latency_table table;
    table.duration = 10s;
    auto& quick = table.by_coroutine["a_quick"];
    quick.step.ended.add(4us, 99);
    quick.delay.ended.add(1us, 99);
    auto& slow = table.by_coroutine["slow"];
    slow.step.ended.add(5s);
    slow.step.going_on.add(8s);
    slow.delay.ended.add(2s);
    slow.wait.going_on.add(3s);
    table.by_name["(other)"] = slow;
    table.dropped = 2;
    CHECK(log_text(table) == R"(in 10.0 s, all tasks
  steps 101 (1 going on): p50 4.03 us, p90 4.03 us, p99 5.10 s, p99.9 8.00 s, p99.99 8.00 s, max 8.00 s
  delays 100: p50 1.01 us, p90 1.01 us, p99 1.01 us, p99.9 2.00 s, p99.99 2.00 s, max 2.00 s
  waits 1 (1 going on): p50 3.00 s, p90 3.00 s, p99 3.00 s, p99.9 3.00 s, p99.99 3.00 s, max 3.00 s
coroutine slow
  steps 2 (1 going on): p50 5.10 s, p90 8.00 s, p99 8.00 s, p99.9 8.00 s, p99.99 8.00 s, max 8.00 s
  delays 1: p50 2.00 s, p90 2.00 s, p99 2.00 s, p99.9 2.00 s, p99.99 2.00 s, max 2.00 s
  waits 1 (1 going on): p50 3.00 s, p90 3.00 s, p99 3.00 s, p99.9 3.00 s, p99.99 3.00 s, max 3.00 s
coroutine a_quick
  steps 99: p50 4.00 us, p90 4.00 us, p99 4.00 us, p99.9 4.00 us, p99.99 4.00 us, max 4.00 us
  delays 99: p50 1.00 us, p90 1.00 us, p99 1.00 us, p99.9 1.00 us, p99.99 1.00 us, max 1.00 us
name (other)
  steps 2 (1 going on): p50 5.10 s, p90 8.00 s, p99 8.00 s, p99.9 8.00 s, p99.99 8.00 s, max 8.00 s
  delays 1: p50 2.00 s, p90 2.00 s, p99 2.00 s, p99.9 2.00 s, p99.99 2.00 s, max 2.00 s
  waits 1 (1 going on): p50 3.00 s, p90 3.00 s, p99 3.00 s, p99.9 3.00 s, p99.99 3.00 s, max 3.00 s
2 steps were of tasks without a row of their own: see (other)
)");
}
