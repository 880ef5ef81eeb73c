// SPDX-License-Identifier: Apache-2.0
#include "metric_families.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace coroscope::instrumentation {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::chrono::nanoseconds, 16> bounds{1us,    10us,  100us, 250us, 500us, 1ms,
                                                          2500us, 5ms,   10ms,  25ms,  50ms,  100ms,
                                                          250ms,  500ms, 1s,    10s};

}  // namespace

void metric_family::add(labels of, double value) {
    auto& metric = family_->metric.emplace_back();
    metric.label = std::move(of);
    auto& field = family_->type == prometheus::MetricType::Counter ? metric.counter.value
                                                                   : metric.gauge.value;
    field = value;
}

void metric_family::add(labels of, const report::histogram& h) {
    auto& metric = family_->metric.emplace_back();
    metric.label = std::move(of);
    metric.histogram.sample_count = h.count();
    metric.histogram.sample_sum = in_seconds(h.sum());
    for (const auto bound : bounds) {
        metric.histogram.bucket.push_back({h.count_within(bound), in_seconds(bound)});
    }
}

metric_family metric_families::make(std::string name, std::string help,
                                    prometheus::MetricType type) {
    auto& family = families_.emplace_back();
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    return metric_family(family);
}

std::string metric_families::text() const {
    std::vector<prometheus::MetricFamily> used;
    std::copy_if(families_.begin(), families_.end(), std::back_inserter(used),
                 [](const prometheus::MetricFamily& f) { return !f.metric.empty(); });
    return prometheus::TextSerializer().Serialize(used);
}

}  // namespace coroscope::instrumentation
