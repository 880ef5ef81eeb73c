// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>

#include <nlohmann/json_fwd.hpp>

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::report {

/// How many durations of which length: a distribution, for percentiles.
///
/// Buckets as HdrHistogram has them, log-linear: one for each nanosecond below 64 ns, above that 32
/// of equal width for each power of two. So a percentile is off by 1/32 (3.2 %) at most, upwards,
/// whether it is nanoseconds or hours; count, sum and maximum are exact. Negative durations count
/// as 0.
///
/// Counters grow and are not reset: who wants to know about an interval takes a copy at its
/// beginning and one at its end, and asks the second what is new `since` the first. Nothing that is
/// recorded in between is lost, and any number of readers have intervals of their own.
///
/// A value. **Thread safety**: as an int's; see `histogram_recorder` for one that is written and
/// read at once. **Cost**: a few nanoseconds an entry; at most 15 KiB.
class histogram {
public:
    static constexpr std::size_t bucket_count = 1888;

    /// The bucket of a duration, and the longest duration of a bucket.
    [[nodiscard]] static constexpr std::size_t bucket_of(std::chrono::nanoseconds d) noexcept {
        if (d.count() <= 0) { return 0; }
        const auto value = static_cast<std::uint64_t>(d.count());
        if (value < 2 * row_length) { return value; }
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - row_bits - 1;
        return shift * row_length + (value >> shift);
    }
    [[nodiscard]] static constexpr std::chrono::nanoseconds end_of(std::size_t bucket) noexcept {
        if (bucket < 2 * row_length) {
            return std::chrono::nanoseconds(static_cast<std::int64_t>(bucket));
        }
        const auto shift = bucket / row_length - 1;
        const auto next = bucket - shift * row_length + 1;
        return std::chrono::nanoseconds(static_cast<std::int64_t>((next << shift) - 1));
    }

    void add(std::chrono::nanoseconds d, std::uint64_t times = 1);
    void merge(const histogram& more);
    /// What has been added since that earlier copy of the same histogram. Its maximum is exact if
    /// it is the highest of all times, and otherwise as exact as a percentile.
    [[nodiscard]] histogram since(const histogram& earlier) const;

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::chrono::nanoseconds sum() const noexcept { return sum_; }
    [[nodiscard]] std::chrono::nanoseconds max() const noexcept { return max_; }
    /// What this share of them, in per cent, did not exceed: `percentile(99.9)`. The end of a
    /// bucket, never more than `max()`; 0 of none.
    [[nodiscard]] std::chrono::nanoseconds percentile(double percent) const noexcept;

    /// How many did not exceed that; those of a bucket that it lies in are left out, so at most
    /// 1/32 too early.
    [[nodiscard]] std::uint64_t count_within(std::chrono::nanoseconds longest) const noexcept;

    friend bool operator==(const histogram&, const histogram&) = default;
    friend nlohmann::json to_json(const histogram& h);
    friend histogram read_histogram(const json_view& json);
    friend class histogram_recorder;

private:
    static constexpr unsigned row_bits = 5;
    static constexpr std::size_t row_length = std::size_t{1} << row_bits;

    std::vector<std::uint64_t> buckets_;  // up to the last one that is not 0
    std::uint64_t count_ = 0;
    std::chrono::nanoseconds sum_{0};
    std::chrono::nanoseconds max_{0};
};

/// With the usual percentiles for those who only read, and the buckets that are not empty.
[[nodiscard]] nlohmann::json to_json(const histogram& h);
[[nodiscard]] histogram read_histogram(const json_view& json);

/// For people: `p50 4.10 us, p90 …, p99 …, p99.9 …, p99.99 …, max 1.02 s`.
[[nodiscard]] std::string percentiles_text(const histogram& h);

}  // namespace coroscope::report
