// SPDX-License-Identifier: Apache-2.0
// The same under the clock of a test: three seconds go by at once, and are exact.
#include "to_be_profiled.hpp"

#include <coroscope/instrumentation/memory_hooks.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/testkit/catch.hpp>

#include <string>

using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

CO_TEST_CASE("a call of three seconds that builds a list is profiled", "[profiling]") {
    hook_memory();
    profiler p({.key_type = memory_key::filename});
    co_await make_first_timer();
    const auto measured = p.profile_memory("to_be_profiled", to_be_profiled);
    const auto timed = p.profile_time("to_be_profiled", measured);
    const auto numbers = co_await timed(3s);
    CO_CHECK(numbers.size() == 10'000);

    // What comes after these words has real time in it: how busy the call was.
    const auto times = log_text(p.time_stats());
    CO_CHECK(
        times.starts_with("function to_be_profiled was called at 1 ns and took: 3.00 s\n"
                          "to_be_profiled: 1 calls, 0 threw, 0 cancelled; total 3.00 s, "));

    const auto table = p.memory_stats();
    const auto& rows = table.at("to_be_profiled").recent.at(0).rows;
    CO_REQUIRE(rows.size() == 1);
    CO_CHECK(rows.front().key.ends_with("to_be_profiled.hpp"));
    const std::string amounts =
        "240000 bytes in 10000 blocks (allocated 240000 bytes in 10000 "
        "blocks, freed 0 bytes in 0 blocks)\n";
    CO_CHECK(log_text(table)
             == "Memory measurements for call of to_be_profiled at 3.00 s\n  " + rows.front().key
                    + ": " + amounts + "to_be_profiled: 1 calls, 0 threw, 0 cancelled; total "
                    + amounts);
}
