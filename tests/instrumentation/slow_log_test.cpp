// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/slow_log.hpp>

#include "support/catch.hpp"

#include <vector>

using namespace std::chrono_literals;
using coroscope::duration;
using coroscope::instrumentation::slow_log;
using coroscope::report::slow_step;

namespace {

void add(slow_log& log, std::uint64_t sequence, duration wall) {
    if (!log.has_room_for(wall)) { return; }
    slow_step step;
    step.sequence = sequence;
    step.wall = wall;
    log.add(step);
}

std::vector<std::uint64_t> sequences(const slow_log& log) {
    std::vector<std::uint64_t> all;
    for (const auto& step : log.records()) {
        all.push_back(step.sequence);
    }
    return all;
}

}  // namespace

TEST_CASE("records come in the order of recording, whatever their durations") {
    slow_log log(10);
    add(log, 1, 5ms);
    add(log, 2, 9ms);
    add(log, 3, 1ms);
    CHECK(sequences(log) == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(log.dropped() == 0);
}

TEST_CASE("a full log keeps the slowest, and of equals the earlier ones") {
    slow_log log(3);
    add(log, 1, 5ms);
    add(log, 2, 5ms);
    add(log, 3, 5ms);
    add(log, 4, 5ms);  // no room
    add(log, 5, 9ms);  // 3 goes
    add(log, 6, 1ms);  // no room
    CHECK(sequences(log) == std::vector<std::uint64_t>{1, 2, 5});
    CHECK(log.dropped() == 3);
}

TEST_CASE("a record that is still there can be completed, one that is gone cannot") {
    slow_log log(1);
    add(log, 1, 5ms);
    const auto name_it = [](slow_step& step) {
        step.name = "completed";
    };
    log.amend(1, name_it);
    log.amend(2, name_it);
    REQUIRE(log.records().size() == 1);
    CHECK(log.records()[0].name == "completed");
}

TEST_CASE("nothing that a log dropped was slower than anything it has") {
    slow_log log(100);
    std::uint32_t random = 12345;
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
        random = random * 1664525U + 1013904223U;
        add(log, i, duration(random >> 8U));
    }
    const auto records = log.records();
    REQUIRE(records.size() == 100);
    CHECK(log.dropped() == 9'900);
    for (const auto& step : records) {
        CHECK(step.wall > duration(16'500'000));  // the hundredth of 10,000 below 16,777,216
    }
}

TEST_CASE("a log without room counts") {
    slow_log log(0);
    add(log, 1, 5ms);
    log.count_dropped();
    CHECK(log.records().empty());
    CHECK(log.dropped() == 2);
}

TEST_CASE("a log knows the highest threshold that it was recorded at") {
    slow_log log(1);
    CHECK_FALSE(log.threshold().has_value());
    log.note_threshold(5ms);
    log.note_threshold(5ms);
    log.note_threshold(100ms);
    log.note_threshold(1ms);
    CHECK(log.threshold() == 100ms);
}
