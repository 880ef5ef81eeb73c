// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/histogram_recorder.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <thread>

using namespace coroscope::report;
using namespace std::chrono_literals;

TEST_CASE("a recorder has what a histogram has", "[report]") {
    histogram_recorder recorder;
    histogram h;
    for (const auto d : {-1ns, 0ns, 1ns, 63ns, 64ns, 1'000'000ns, 3'600'000'000'000ns}) {
        recorder.add(d);
        h.add(d);
    }
    CHECK(recorder.read() == h);
}

TEST_CASE("whoever reads a recorder in intervals misses nothing", "[report][threads]") {
    constexpr int entries = 20'000;
    histogram_recorder recorder;
    std::atomic<bool> is_done{false};
    std::thread writer([&] {
        for (int i = 0; i < entries; ++i) {
            recorder.add(i * 1ns);
        }
        is_done = true;
    });
    histogram last;
    histogram sum;
    for (bool ends = false; !ends;) {
        ends = is_done;
        const auto now = recorder.read();
        sum.merge(now.since(last));
        last = now;
    }
    writer.join();
    CHECK(sum.count() == entries);
    CHECK(sum.sum() == recorder.read().sum());
    CHECK(sum.max() == (entries - 1) * 1ns);
}
