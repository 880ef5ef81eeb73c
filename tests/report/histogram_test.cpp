// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/histogram.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;
using namespace std::chrono_literals;

TEST_CASE("a histogram's buckets follow one another without a gap", "[report]") {
    for (std::size_t i = 0; i + 1 < histogram::bucket_count; ++i) {
        INFO(i);
        REQUIRE(histogram::bucket_of(histogram::end_of(i)) == i);
        REQUIRE(histogram::bucket_of(histogram::end_of(i) + 1ns) == i + 1);
    }
    CHECK(histogram::end_of(histogram::bucket_count - 1) == std::chrono::nanoseconds::max());
}

TEST_CASE("a percentile is off by 3.2 per cent at most, and never too low", "[report]") {
    for (auto d = 1ns; d < 100h; d = d * 17 / 13 + 1ns) {
        histogram h;
        h.add(d);
        h.add(1000h);
        const auto answer = h.percentile(50);
        INFO(d.count());
        REQUIRE(answer >= d);
        REQUIRE(answer - d <= d / 31);
    }
}

TEST_CASE("percentiles of a thousand known durations", "[report]") {
    histogram h;
    for (int i = 1; i <= 1000; ++i) {
        h.add(i * 1us);
    }
    CHECK(h.count() == 1000);
    CHECK(h.sum() == 500'500us);
    CHECK(h.max() == 1ms);
    CHECK(h.percentile(0) >= 1us);
    CHECK(h.percentile(50) / 1us == 507);
    CHECK(h.percentile(99.9) <= h.percentile(99.99));
    CHECK(h.percentile(99.99) == 1ms);
    CHECK(h.percentile(100) == 1ms);
}

TEST_CASE("a percentile counts exactly", "[report]") {
    histogram h;
    h.add(1ns, 999);
    h.add(50ns);
    CHECK(h.percentile(99.9) == 1ns);
    CHECK(h.percentile(99.99) == 50ns);
}

TEST_CASE("a histogram of nothing has zeros, and a negative duration counts as zero", "[report]") {
    histogram h;
    CHECK(h.percentile(99) == 0ns);
    h.add(-5ns);
    CHECK(h.count() == 1);
    CHECK(h.sum() == 0ns);
    CHECK(h.percentile(99) == 0ns);
}

TEST_CASE("a duration may be added several times at once, or not at all", "[report]") {
    histogram h;
    h.add(2ms, 3);
    h.add(5s, 0);
    CHECK(h.count() == 3);
    CHECK(h.sum() == 6ms);
    CHECK(h.max() == 2ms);
}

TEST_CASE("a merged histogram is that of all durations", "[report]") {
    histogram all;
    histogram odd;
    histogram even;
    for (int i = 0; i < 100; ++i) {
        all.add(i * 1ms);
        (i % 2 != 0 ? odd : even).add(i * 1ms);
    }
    even.merge(odd);
    CHECK(even == all);
}

TEST_CASE("the difference of two copies has what came in between, and all of it", "[report]") {
    histogram h;
    h.add(1s);
    h.add(1ms);
    const auto first = h;
    h.add(2ms);
    const auto second = h;
    h.add(5s);
    CHECK(second.since(first).count() == 1);
    CHECK(second.since(first).sum() == 2ms);
    CHECK(second.since(first).max() >= 2ms);
    CHECK(second.since(first).max() <= 2ms + 2'000'000ns / 31);
    CHECK(h.since(second).max() == 5s);
    CHECK(h.since(h) == histogram{});
    auto sum = first;
    sum.merge(second.since(first));
    sum.merge(h.since(second));
    CHECK(sum == h);
}

TEST_CASE("a difference with what is no earlier copy has nothing below zero", "[report]") {
    histogram h;
    h.add(1ms);
    histogram other;
    other.add(1ms, 3);
    other.add(2ms);
    CHECK(h.since(other).count() == 0);
    CHECK(h.since(other).sum() == 0ns);
    CHECK(h.since(other).percentile(50) == 0ns);
    CHECK(to_json(h.since(other))["buckets"].empty());
}

TEST_CASE("a histogram survives its JSON form", "[report]") {
    histogram h;
    h.add(3ns, 7);
    h.add(2h);
    const auto json = to_json(h);
    CHECK(json["buckets"].size() == 2);
    CHECK(json["p99.99_ns"] == h.max().count());
    CHECK(read_histogram(json_view(json)) == h);
}

TEST_CASE("the JSON form has each of the usual percentiles", "[report]") {
    histogram h;
    h.add(1ns, 5000);
    h.add(2ns, 4000);
    h.add(3ns, 900);
    h.add(4ns, 90);
    h.add(5ns, 9);
    h.add(6ns);
    const auto json = to_json(h);
    CHECK(json["p50_ns"] == 1);
    CHECK(json["p90_ns"] == 2);
    CHECK(json["p99_ns"] == 3);
    CHECK(json["p99.9_ns"] == 4);
    CHECK(json["p99.99_ns"] == 5);
    CHECK(json["max_ns"] == 6);
    CHECK(json["sum_ns"] == 16'111);
}

TEST_CASE("a bucket that is named twice has the sum", "[report]") {
    histogram h;
    h.add(3ns, 3);
    auto json = to_json(h);
    json["buckets"] = {{3, 1}, {3, 2}};
    CHECK(read_histogram(json_view(json)) == h);
}

TEST_CASE("a bucket that there cannot be is an error", "[report]") {
    auto json = to_json(histogram{});
    json["buckets"] = {{histogram::bucket_count, 1}};
    CHECK_THROWS_AS(read_histogram(json_view(json)), report_error);
    json["buckets"] = {{1, 2, 3}};
    CHECK_THROWS_AS(read_histogram(json_view(json)), report_error);
}

TEST_CASE("durations within a limit are counted, but for those of the bucket it lies in",
          "[report]") {
    histogram h;
    h.add(0ns);
    h.add(63ns);
    h.add(1ms, 3);
    h.add(2s);
    CHECK(h.count_within(-1ns) == 0);
    CHECK(h.count_within(0ns) == 1);
    CHECK(h.count_within(62ns) == 1);
    CHECK(h.count_within(63ns) == 2);
    CHECK(h.count_within(1ms) == 2);
    CHECK(h.count_within(1ms + 1'000'000ns / 31) == 5);
    CHECK(h.count_within(std::chrono::nanoseconds::max()) == 6);
    CHECK(histogram{}.count_within(1s) == 0);
}

TEST_CASE("percentiles as text are these", "[report]") {
    histogram h;
    h.add(1us, 89);
    h.add(10us, 10);
    h.add(3s);
    CHECK(percentiles_text(h)
          == "p50 1.01 us, p90 10.2 us, p99 10.2 us, p99.9 3.00 s, p99.99 3.00 s, max 3.00 s");
}
