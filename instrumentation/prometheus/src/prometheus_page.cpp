// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/prometheus_page.hpp>

#include <coroscope/instrumentation/profiler.hpp>

#include "metric_families.hpp"

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace coroscope::instrumentation {
namespace {

using report::latency;
using report::latency_row;

// The same bytes, or U+FFFD where they are not UTF-8, which Prometheus refuses.
[[nodiscard]] std::string valid_text(const std::string& text) {
    return nlohmann::json::parse(report::json_line(text)).get<std::string>();
}

// Loops that share a series.
void merge(load_reading& into, const load_reading& more) {
    into.elapsed += more.elapsed;
    into.busy += more.busy;
    into.steps += more.steps;
    into.passes += more.passes;
    into.long_passes += more.long_passes;
    into.ready += more.ready;
    into.scheduled += more.scheduled;
    into.wake_delay.merge(more.wake_delay);
}

struct latency_kind {
    const char* name;
    const char* help;
    latency latency_row::*member;
};

constexpr std::array latency_kinds{
    latency_kind{"step", "How long steps took, from one resumption to the next suspension.",
                 &latency_row::step},
    latency_kind{"delay", "How long tasks that could go on waited for their turn.",
                 &latency_row::delay},
    latency_kind{"wait", "How long tasks waited for what they asked for.", &latency_row::wait}};

}  // namespace

class prometheus_page::writer {
public:
    explicit writer(prometheus_page& page) : page_(page) {}

    void add_pages() {
        out_.counter("coroscope_pages_total", "Pages of metrics that were written, this one too.")
            .add({}, static_cast<double>(page_.pages_));
    }
    void add_loads(const prometheus_values& values);
    void add_latencies(const prometheus_values& values);
    void add_times(const report::time_table& times);
    void add_memory(const memory_amounts& memory);
    void add_frames(const frame_memory& frames);

    [[nodiscard]] std::string text() const { return out_.text(); }

private:
    using table_rows = report::latency_table::rows;

    /// What a label says, for one of those values that have a series of their own.
    [[nodiscard]] std::string shown(const std::string& label, const std::string& value) {
        auto text = valid_text(value);
        auto& seen = page_.seen_[label];
        if (seen.contains(text)) { return text; }
        if (text == report::other_key || seen.size() >= page_.options_.max_label_values) {
            return std::string(report::other_key);
        }
        return *seen.insert(std::move(text)).first;
    }
    void add_rows(const std::string& family_prefix, const std::string& label,
                  const std::map<std::string, table_rows>& by_loop);
    void add_longest(const std::map<std::string, latency_row>& totals);

    prometheus_page& page_;
    metric_families out_;
};

void prometheus_page::writer::add_loads(const prometheus_values& values) {
    std::map<std::string, load_reading> loads;
    for (const auto& [name, of_loop] : values.loops) {
        if (of_loop.load) { merge(loads[shown("loop", name)], *of_loop.load); }
    }
    const auto each = [&](metric_family family, auto value_of) {
        for (const auto& [loop, load] : loads) {
            family.add({{"loop", loop}}, static_cast<double>(value_of(load)));
        }
    };
    each(out_.counter("coroscope_loop_elapsed_seconds_total", "Time that the loop was observed."),
         [](const load_reading& r) { return in_seconds(r.elapsed); });
    each(out_.counter("coroscope_loop_busy_seconds_total", "Time in steps that have ended."),
         [](const load_reading& r) { return in_seconds(r.busy); });
    each(out_.counter("coroscope_loop_steps_total", "Steps of tasks and callbacks."),
         [](const load_reading& r) { return r.steps; });
    each(out_.counter("coroscope_loop_passes_total", "Passes over the ready queue."),
         [](const load_reading& r) { return r.passes; });
    each(out_.counter("coroscope_loop_long_passes_total", "Passes that took more than the budget."),
         [](const load_reading& r) { return r.long_passes; });
    each(out_.gauge("coroscope_loop_ready", "Things that were ready when the last pass began."),
         [](const load_reading& r) { return r.ready; });
    each(out_.gauge("coroscope_loop_timers", "Timers armed when the last pass began."),
         [](const load_reading& r) { return r.scheduled; });
    auto delays = out_.histogram("coroscope_loop_wake_delay_seconds",
                                 "From a wake-up to the task's next step; yields are none.");
    for (const auto& [loop, load] : loads) {
        delays.add({{"loop", loop}}, load.wake_delay);
    }
}

void prometheus_page::writer::add_rows(const std::string& family_prefix, const std::string& label,
                                       const std::map<std::string, table_rows>& by_loop) {
    for (const auto& kind : latency_kinds) {
        auto family = out_.histogram(family_prefix + kind.name + "_seconds", kind.help);
        for (const auto& [loop, rows] : by_loop) {
            for (const auto& [key, row] : rows) {
                const auto& ended = (row.*kind.member).ended;
                if (ended.count() != 0) { family.add({{"loop", loop}, {label, key}}, ended); }
            }
        }
    }
}

void prometheus_page::writer::add_longest(const std::map<std::string, latency_row>& totals) {
    auto longest = out_.gauge("coroscope_longest_going_on_seconds",
                              "Age of the oldest step, delay or wait that has not ended.");
    for (const auto& [loop, total] : totals) {
        for (const auto& kind : latency_kinds) {
            longest.add({{"loop", loop}, {"what", kind.name}},
                        in_seconds((total.*kind.member).going_on.max()));
        }
    }
}

void prometheus_page::writer::add_latencies(const prometheus_values& values) {
    std::map<std::string, table_rows> by_coroutine;
    std::map<std::string, table_rows> by_name;
    std::map<std::string, latency_row> totals;
    for (const auto& [name, of_loop] : values.loops) {
        if (!of_loop.latencies) { continue; }
        const auto loop = shown("loop", name);
        totals[loop].merge(of_loop.latencies->total());
        for (const auto& [key, row] : of_loop.latencies->by_coroutine) {
            by_coroutine[loop][shown("coroutine", key)].merge(row);
        }
        for (const auto& [key, row] : of_loop.latencies->by_name) {
            by_name[loop][shown("task", key)].merge(row);
        }
    }
    add_rows("coroscope_coroutine_", "coroutine", by_coroutine);
    add_rows("coroscope_task_", "task", by_name);
    add_longest(totals);
}

void prometheus_page::writer::add_times(const report::time_table& times) {
    report::time_table rows;
    for (const auto& [name, stats] : times) {
        merge_times(rows, {{shown("function", name), stats}});
    }
    auto calls = out_.counter("coroscope_calls_total", "Finished calls of a profiled function.");
    for (const auto& [function, stats] : rows) {
        const auto add = [&](const char* outcome, std::uint64_t count) {
            calls.add({{"function", function}, {"outcome", outcome}}, static_cast<double>(count));
        };
        add("returned", stats.returned);
        add("threw", stats.threw);
        add("cancelled", stats.cancelled);
    }
    auto busy = out_.counter("coroscope_call_busy_seconds_total",
                             "Time that calls of a profiled function ran, without waiting.");
    auto elapsed = out_.histogram("coroscope_call_seconds",
                                  "How long calls of a profiled function took, with waiting.");
    for (const auto& [function, stats] : rows) {
        busy.add({{"function", function}}, in_seconds(stats.busy));
        elapsed.add({{"function", function}}, stats.lengths);
    }
}

void prometheus_page::writer::add_memory(const memory_amounts& memory) {
    const auto add = [&](const char* name, const char* help, std::int64_t value) {
        out_.counter(name, help).add({}, static_cast<double>(value));
    };
    add("coroscope_memory_allocated_bytes_total", "Bytes that were allocated.",
        memory.allocated_bytes);
    add("coroscope_memory_freed_bytes_total", "Bytes of them that were freed.", memory.freed_bytes);
    add("coroscope_memory_allocated_blocks_total", "Allocations.", memory.allocated_blocks);
    add("coroscope_memory_freed_blocks_total", "Allocations that were freed.", memory.freed_blocks);
}

void prometheus_page::writer::add_frames(const frame_memory& frames) {
    out_.counter("coroscope_frames_total", "Coroutine frames that were made.")
        .add({}, static_cast<double>(frames.frames));
    out_.gauge("coroscope_frames_live_bytes", "Coroutine frames that there are.")
        .add({}, static_cast<double>(frames.live_bytes));
    out_.gauge("coroscope_frames_peak_bytes", "Most that there were at once.")
        .add({}, static_cast<double>(frames.peak_bytes));
}

prometheus_page::prometheus_page(const prometheus_page_options& options) : options_(options) {}

std::string prometheus_page::text(const prometheus_values& values) {
    ++pages_;
    writer to(*this);
    to.add_pages();
    to.add_loads(values);
    to.add_latencies(values);
    to.add_times(values.times);
    if (values.memory) { to.add_memory(*values.memory); }
    if (values.frames) { to.add_frames(*values.frames); }
    return to.text();
}

}  // namespace coroscope::instrumentation
