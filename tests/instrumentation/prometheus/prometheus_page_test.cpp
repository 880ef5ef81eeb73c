// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/prometheus_page.hpp>

#include "instrumentation/prometheus/metrics_text.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

report::latency_table some_latencies() {
    report::latency_table table;
    table.duration = 10s;
    auto& row = table.by_coroutine["serve"];
    row.step.ended.add(40us, 90);
    row.step.ended.add(3s, 10);
    row.step.going_on.add(8s);
    row.delay.ended.add(2ms, 100);
    row.wait.ended.add(20s, 3);
    row.wait.going_on.add(30s);
    table.by_coroutine["created at server.cpp:31"].step.ended.add(1us);
    table.by_name["worker \"7\"\n\\"] = row;
    return table;
}

void add_returned(report::time_stats& to, std::uint64_t calls) {
    to.calls += calls;
    to.returned += calls;
}

/// Something of everything.
prometheus_values some_values() {
    prometheus_values values;
    load_reading load;
    load.elapsed = 10s;
    load.busy = 2500ms;
    load.steps = 1234;
    load.passes = 100;
    load.long_passes = 2;
    load.ready = 5;
    load.scheduled = 7;
    load.wake_delay.add(3us, 8);
    values.loops["main"] = {load, some_latencies()};
    values.loops["second"] = {load, std::nullopt};
    auto& stats = values.times["fetch"];
    stats.calls = 6;
    stats.returned = 3;
    stats.threw = 2;
    stats.cancelled = 1;
    stats.busy = 20ms;
    stats.lengths.add(100ms, 6);
    values.memory = memory_amounts{1000, 10, 400, 4};
    values.frames = frame_memory{640, 4096, 17};
    return values;
}

std::vector<std::string> problems_of(const std::string& text) {
    return metrics_text(text).problems();
}

TEST_CASE("a page of everything has no fault that promtool overlooks") {
    prometheus_page page;
    CHECK(problems_of(page.text(some_values())) == std::vector<std::string>{});
}

TEST_CASE("a page of nothing is not empty") {
    prometheus_page page;
    const auto first = page.text({});
    CHECK(problems_of(first) == std::vector<std::string>{});
    CHECK(first
          == "# HELP coroscope_pages_total Pages of metrics that were written, this one too.\n"
             "# TYPE coroscope_pages_total counter\n"
             "coroscope_pages_total 1\n");
    CHECK(metrics_text(page.text({})).at("coroscope_pages_total") == 2);
}

TEST_CASE("a loop's load, in seconds") {
    prometheus_page page;
    const metrics_text text(page.text(some_values()));
    CHECK(text.at(R"(coroscope_loop_elapsed_seconds_total{loop="main"})") == 10);
    CHECK(text.at(R"(coroscope_loop_busy_seconds_total{loop="main"})") == 2.5);
    CHECK(text.at(R"(coroscope_loop_steps_total{loop="main"})") == 1234);
    CHECK(text.at(R"(coroscope_loop_passes_total{loop="second"})") == 100);
    CHECK(text.at(R"(coroscope_loop_long_passes_total{loop="main"})") == 2);
    CHECK(text.at(R"(coroscope_loop_ready{loop="main"})") == 5);
    CHECK(text.at(R"(coroscope_loop_timers{loop="main"})") == 7);
    CHECK(text.at(R"(coroscope_loop_wake_delay_seconds_count{loop="main"})") == 8);
}

TEST_CASE("histograms are cumulative, and what goes on is a gauge") {
    prometheus_page page;
    const metrics_text text(page.text(some_values()));
    const auto steps = [&](const char* suffix, const char* bound) {
        const std::string labels = R"({loop="main",coroutine="serve")";
        const std::string le = *bound != '\0' ? std::string(",le=\"") + bound + '"' : "";
        return text.at(std::string("coroscope_coroutine_step_seconds") + suffix + labels + le
                       + '}');
    };
    CHECK(steps("_bucket", "1e-05") == 0);
    CHECK(steps("_bucket", "0.0001") == 90);
    CHECK(steps("_bucket", "1") == 90);
    CHECK(steps("_bucket", "10") == 100);
    CHECK(steps("_bucket", "+Inf") == 100);
    CHECK(steps("_count", "") == 100);
    CHECK(steps("_sum", "") == Approx(30.0036));
    CHECK(text.at(R"(coroscope_coroutine_wait_seconds_bucket{loop="main",coroutine="serve",)"
                  R"(le="10"})")
          == 0);
    CHECK(text.at(R"(coroscope_coroutine_delay_seconds_count{loop="main",coroutine="serve"})")
          == 100);
    CHECK(text.at(R"(coroscope_task_step_seconds_count{loop="main",task="worker \"7\"\n\\"})")
          == 100);
    const auto longest = [&](const std::string& what) {
        return text.at(R"(coroscope_longest_going_on_seconds{loop="main",what=")" + what + "\"}");
    };
    CHECK(longest("step") == 8);
    CHECK(longest("delay") == 0);
    CHECK(longest("wait") == 30);
}

TEST_CASE("profiled calls, memory and coroutine frames") {
    prometheus_page page;
    const metrics_text text(page.text(some_values()));
    CHECK(text.at(R"(coroscope_calls_total{function="fetch",outcome="returned"})") == 3);
    CHECK(text.at(R"(coroscope_calls_total{function="fetch",outcome="threw"})") == 2);
    CHECK(text.at(R"(coroscope_calls_total{function="fetch",outcome="cancelled"})") == 1);
    CHECK(text.at(R"(coroscope_call_busy_seconds_total{function="fetch"})") == 0.02);
    CHECK(text.at(R"(coroscope_call_seconds_sum{function="fetch"})") == Approx(0.6));
    CHECK(text.at("coroscope_memory_allocated_bytes_total") == 1000);
    CHECK(text.at("coroscope_memory_allocated_blocks_total") == 10);
    CHECK(text.at("coroscope_memory_freed_bytes_total") == 400);
    CHECK(text.at("coroscope_memory_freed_blocks_total") == 4);
    CHECK(text.at("coroscope_frames_total") == 17);
    CHECK(text.at("coroscope_frames_live_bytes") == 640);
    CHECK(text.at("coroscope_frames_peak_bytes") == 4096);
}

TEST_CASE("label values are bounded, and the first ones keep their series") {
    prometheus_page page({2});
    prometheus_values values;
    const auto add = [&](const std::string& name) {
        add_returned(values.times[name], 1);
        values.times[name].lengths.add(1ms);
        auto& latencies = values.loops["loop " + name].latencies.emplace();
        latencies.by_coroutine[name].step.ended.add(1ms);
        latencies.by_name[name].step.ended.add(1ms);
        values.loops["loop " + name].load.emplace().steps = 1;
    };
    for (const auto* name : {"m", "n", "o"}) {
        add(name);
    }
    static_cast<void>(page.text(values));
    for (const auto* name : {"a", "b", "(other)"}) {  // before the others in the alphabet
        add(name);
    }
    const metrics_text text(page.text(values));
    CHECK(text.problems() == std::vector<std::string>{});
    CHECK(text.at(R"x(coroscope_calls_total{function="m",outcome="returned"})x") == 1);
    CHECK(text.at(R"x(coroscope_calls_total{function="n",outcome="returned"})x") == 1);
    CHECK(text.at(R"x(coroscope_calls_total{function="(other)",outcome="returned"})x") == 4);
    CHECK(text.at(R"x(coroscope_call_seconds_count{function="(other)"})x") == 4);
    CHECK(text.at(R"x(coroscope_loop_steps_total{loop="(other)"})x") == 4);
    const std::string others = R"x({loop="(other)",coroutine="(other)"})x";
    CHECK(text.at("coroscope_coroutine_step_seconds_count" + others) == 4);
    for (const auto* label : {"loop", "coroutine", "task", "function"}) {
        CHECK(text.label_values().at(label).size() == 3);
    }
}

TEST_CASE("what is counted together anyway takes no other's place") {
    prometheus_page page({1});
    prometheus_values values;
    add_returned(values.times["(other)"], 1);
    static_cast<void>(page.text(values));
    add_returned(values.times["fetch"], 2);
    const metrics_text text(page.text(values));
    CHECK(text.at(R"x(coroscope_calls_total{function="fetch",outcome="returned"})x") == 2);
    CHECK(text.at(R"x(coroscope_calls_total{function="(other)",outcome="returned"})x") == 1);
}

TEST_CASE("names that are no UTF-8 are made so, and may become one") {
    prometheus_page page;
    prometheus_values values;
    add_returned(values.times["caf\xe9"], 1);
    add_returned(values.times["caf\xe8"], 2);
    const metrics_text text(page.text(values));
    CHECK(text.problems() == std::vector<std::string>{});
    CHECK(text.at("coroscope_calls_total{function=\"caf\xef\xbf\xbd\",outcome=\"returned\"}") == 3);
}

TEST_CASE("the reader of these tests finds the faults that it is for") {
    const std::string family = "# HELP a_total b\n# TYPE a_total counter\n";
    const std::string h = "# HELP h b\n# TYPE h histogram\n";
    const std::string end = "h_count 3\nh_sum 1\n";
    CHECK(problems_of(family + "a_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n").empty());
    CHECK(problems_of(h + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\n" + end).empty());
    for (const auto& text : {
             std::string(),
             family,
             family + "a_total 1",
             family + "a_total 1\na_total 2\n",
             family + family + "a_total 1\n",
             "# HELP c d\n# TYPE c gauge\n" + family + "a_total 1\nc 1\n",
             std::string("# HELP c d\n# TYPE c counter\nc 1\n"),
             h + "h_bucket{le=\"1\"} 2\n" + end,
             h + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 2\n" + end,
             h + "h_bucket{le=\"1\"} 4\nh_bucket{le=\"+Inf\"} 3\n" + end,
             h + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 1\n",
             h + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_count 3\n",
         }) {
        INFO(text);
        CHECK(!problems_of(text).empty());
    }
}

/// For promtool; not run by itself.
TEST_CASE("prints a page", "[.print]") {
    prometheus_page page;
    std::cout << page.text(some_values());
}

}  // namespace
