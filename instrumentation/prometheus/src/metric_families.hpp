// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram.hpp>

#include <prometheus/metric_family.h>

#include <chrono>
#include <list>
#include <string>
#include <utility>
#include <vector>

namespace coroscope::instrumentation {

[[nodiscard]] inline double in_seconds(std::chrono::nanoseconds d) noexcept {
    return static_cast<double>(d.count()) / 1e9;
}

/// The series of one metric. Refers to its `metric_families`.
class metric_family {
public:
    using labels = std::vector<prometheus::ClientMetric::Label>;

    explicit metric_family(prometheus::MetricFamily& family) : family_(&family) {}

    void add(labels of, double value);
    void add(labels of, const report::histogram& h);

private:
    prometheus::MetricFamily* family_;
};

/// Metrics in the order in which they are asked for, each once.
class metric_families {
public:
    [[nodiscard]] metric_family counter(std::string name, std::string help) {
        return make(std::move(name), std::move(help), prometheus::MetricType::Counter);
    }
    [[nodiscard]] metric_family gauge(std::string name, std::string help) {
        return make(std::move(name), std::move(help), prometheus::MetricType::Gauge);
    }
    [[nodiscard]] metric_family histogram(std::string name, std::string help) {
        return make(std::move(name), std::move(help), prometheus::MetricType::Histogram);
    }
    /// Those that have a series.
    [[nodiscard]] std::string text() const;

private:
    [[nodiscard]] metric_family make(std::string name, std::string help,
                                     prometheus::MetricType type);

    std::list<prometheus::MetricFamily> families_;
};

}  // namespace coroscope::instrumentation
