// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/loop_load.hpp>
#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <coroscope/report/latency_table.hpp>
#include <coroscope/report/snapshot.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace coroscope::instrumentation {

/// What a page of metrics is about. What is not given is left out.
struct prometheus_values {
    struct loop_values {
        std::optional<load_reading> load;
        /// All since the attachment, `loop_histograms::read`: Prometheus subtracts itself.
        std::optional<report::latency_table> latencies;
    };

    std::map<std::string, loop_values, std::less<>> loops;  ///< by what the label `loop` says
    report::time_table times;                               ///< of a `profiler`
    std::optional<memory_amounts> memory;                   ///< `memory_snapshot::total`
    std::optional<frame_memory> frames;
};

struct prometheus_page_options {
    /// Different values of each label: of the loops, coroutines, tasks' names, functions. The ones
    /// that come first have their own series, further ones share one, `(other)`, for ever:
    /// Prometheus keeps each series that it has ever seen.
    std::size_t max_label_values = 50;
};

/// Writes what the profilers know in Prometheus's text format, for an HTTP server of yours to
/// answer a scrape with.
///
///     coroscope::instrumentation::prometheus_page page;
///     values.loops["main"] = {load.read(), histograms.read()};
///     respond(page.content_type, page.text(values));
///
/// Durations are seconds, histograms have buckets from 1 us to 10 s. What goes on is in no
/// histogram, since those may not shrink, but its longest is a gauge.
///
/// **Thread safety**: one thread at a time. **Lifetime**: keep one for each endpoint, as long as
/// that answers: it remembers which label values have a series. **Cost**: milliseconds.
class prometheus_page {
public:
    static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

    explicit prometheus_page(const prometheus_page_options& options = {});

    /// A page with at least one metric, the number of pages so far. Throws nothing but
    /// `std::bad_alloc`.
    [[nodiscard]] std::string text(const prometheus_values& values);

private:
    class writer;
    using label_values = std::set<std::string, std::less<>>;

    prometheus_page_options options_;
    std::map<std::string, label_values, std::less<>> seen_;  ///< by label
    std::uint64_t pages_ = 0;
};

}  // namespace coroscope::instrumentation
