// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/histogram.hpp>

#include <coroscope/report/duration_text.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace coroscope::report {

void histogram::add(std::chrono::nanoseconds d, std::uint64_t times) {
    if (times == 0) { return; }
    const auto length = std::max(d, std::chrono::nanoseconds(0));
    const auto bucket = bucket_of(length);
    if (bucket >= buckets_.size()) { buckets_.resize(bucket + 1); }
    buckets_[bucket] += times;
    count_ += times;
    sum_ += length * static_cast<std::int64_t>(times);
    max_ = std::max(max_, length);
}

void histogram::merge(const histogram& more) {
    if (more.buckets_.size() > buckets_.size()) { buckets_.resize(more.buckets_.size()); }
    for (std::size_t i = 0; i < more.buckets_.size(); ++i) {
        buckets_[i] += more.buckets_[i];
    }
    count_ += more.count_;
    sum_ += more.sum_;
    max_ = std::max(max_, more.max_);
}

histogram histogram::since(const histogram& earlier) const {
    histogram news = *this;
    const auto common = std::min(buckets_.size(), earlier.buckets_.size());
    for (std::size_t i = 0; i < common; ++i) {
        news.buckets_[i] -= std::min(news.buckets_[i], earlier.buckets_[i]);
    }
    while (!news.buckets_.empty() && news.buckets_.back() == 0) {
        news.buckets_.pop_back();
    }
    news.count_ -= std::min(news.count_, earlier.count_);
    news.sum_ -= std::min(news.sum_, earlier.sum_);
    const auto highest =
        news.buckets_.empty() ? std::chrono::nanoseconds(0) : end_of(news.buckets_.size() - 1);
    news.max_ = std::min(max_, highest);
    return news;
}

std::chrono::nanoseconds histogram::percentile(double percent) const noexcept {
    if (count_ == 0) { return std::chrono::nanoseconds(0); }
    const auto share = std::clamp(percent, 0.0, 100.0) / 100.0;
    // Less a trifle: 99.9 % of 1000 are 999, although 0.999 * 1000 may be a little more.
    const auto exact = std::ceil(share * static_cast<double>(count_) - 1e-6);
    const auto rank = std::max(static_cast<std::uint64_t>(std::max(exact, 0.0)), std::uint64_t{1});
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen >= rank) { return std::min(end_of(i), max_); }
    }
    return max_;
}

std::uint64_t histogram::count_within(std::chrono::nanoseconds longest) const noexcept {
    std::uint64_t within = 0;
    for (std::size_t i = 0; i < buckets_.size() && end_of(i) <= longest; ++i) {
        within += buckets_[i];
    }
    return within;
}

nlohmann::json to_json(const histogram& h) {
    nlohmann::json buckets = nlohmann::json::array();
    for (std::size_t i = 0; i < h.buckets_.size(); ++i) {
        if (h.buckets_[i] != 0) { buckets.push_back({i, h.buckets_[i]}); }
    }
    return {{"count", h.count()},
            {"sum_ns", h.sum().count()},
            {"max_ns", h.max().count()},
            {"p50_ns", h.percentile(50).count()},
            {"p90_ns", h.percentile(90).count()},
            {"p99_ns", h.percentile(99).count()},
            {"p99.9_ns", h.percentile(99.9).count()},
            {"p99.99_ns", h.percentile(99.99).count()},
            {"buckets", std::move(buckets)}};
}

histogram read_histogram(const json_view& json) {
    histogram h;
    for (const auto& entry : json.at("buckets").elements()) {
        const auto pair = entry.elements();
        if (pair.size() != 2) { entry.fail("a pair of a bucket's number and its count"); }
        const auto bucket = pair[0].count();
        if (bucket >= histogram::bucket_count) {
            pair[0].fail("a bucket's number below " + std::to_string(histogram::bucket_count),
                         std::to_string(bucket));
        }
        if (bucket >= h.buckets_.size()) { h.buckets_.resize(bucket + 1); }
        h.buckets_[bucket] += pair[1].count();
    }
    h.count_ = json.at("count").count();
    h.sum_ = json.at("sum_ns").nanoseconds();
    h.max_ = json.at("max_ns").nanoseconds();
    return h;
}

std::string percentiles_text(const histogram& h) {
    std::string text;
    for (const auto& [label, percent] :
         {std::pair{"p50 ", 50.0}, std::pair{"p90 ", 90.0}, std::pair{"p99 ", 99.0},
          std::pair{"p99.9 ", 99.9}, std::pair{"p99.99 ", 99.99}}) {
        text += label + format_duration(h.percentile(percent)) + ", ";
    }
    return text + "max " + format_duration(h.max());
}

}  // namespace coroscope::report
