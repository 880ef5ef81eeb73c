// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"
#include "testkit/explore/classic_bugs.hpp"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <limits>

using coroscope::testkit::exploration;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::replay;
using coroscope::testkit::run_test;
using coroscope::testkit::strategy;

namespace {

exploration look_for(const classic_bugs::program& program, strategy s, std::uint64_t seed) {
    explore_options options;
    options.strategy = s;
    options.max_executions = 1'000;
    options.seed = seed;
    return explore(program.broken, options);
}

/// What the searches with several seeds came to, of one program.
struct figures {
    std::uint64_t most_to_find = 0;
    std::uint64_t most_to_shrink = 0;
    std::size_t least_size = std::numeric_limits<std::size_t>::max();
    std::size_t most_size = 0;
};

}  // namespace

TEST_CASE("classic bugs do not show in the default order", "[explore]") {
    for (const auto& program : classic_bugs::all()) {
        CAPTURE(program.name);
        CHECK(run_test(program.broken).ok());
    }
}

TEST_CASE("classic bugs are found, shrunk, and replayed every time", "[explore]") {
    for (const auto& program : classic_bugs::all()) {
        CAPTURE(program.name);
        const auto found = look_for(program, strategy::portfolio, 1);
        REQUIRE_FALSE(found.ok());
        const auto& failure = *found.failure;
        CAPTURE(failure.message);
        CHECK(failure.shrunk_size <= 12);
        for (int i = 0; i < 10; ++i) {
            const auto again = replay(program.broken, failure.shrunk);
            REQUIRE_FALSE(again.failures.empty());
            CHECK(again.failures[0].kind == failure.shrunk_result.failures[0].kind);
            CHECK(again.event_log_hash == failure.shrunk_result.event_log_hash);
            CHECK_FALSE(replay(program.broken, failure.schedule).ok());
        }
    }
}

TEST_CASE("nine of ten failures are shrunk to two deviations or holds, or fewer", "[explore]") {
    std::size_t failures = 0;
    std::size_t small = 0;
    for (const auto& program : classic_bugs::all()) {
        for (const auto s : {strategy::random_walk, strategy::uniform_walk,
                             strategy::partial_order_sampling, strategy::pct_3}) {
            for (std::uint64_t seed = 1; seed <= 5; ++seed) {
                const auto found = look_for(program, s, seed);
                if (found.ok()) { continue; }
                ++failures;
                small += found.failure->shrunk_size <= 2 ? 1U : 0U;
                CHECK(found.failure->shrinking_executions <= 200);
            }
        }
    }
    CAPTURE(failures, small);
    CHECK(failures >= 150);  // of 200: not every strategy finds everything
    CHECK(small * 10 >= failures * 9);
}

TEST_CASE("what was corrected is not reported", "[explore]") {
    for (const auto& program : classic_bugs::all()) {
        const auto tried = explore(program.corrected);
        CAPTURE(program.name, to_string(tried));
        CHECK(tried.ok());
        CHECK((tried.exhausted || tried.executions == 10'000));
    }
}

/// Prints the table of docs/exploration.md.
TEST_CASE("figures of classic bugs", "[.figures]") {
    for (const auto& program : classic_bugs::all()) {
        figures f;
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            const auto found = look_for(program, strategy::portfolio, seed);
            REQUIRE_FALSE(found.ok());
            f.most_to_find = std::max(f.most_to_find, found.failure->number);
            f.most_to_shrink = std::max(f.most_to_shrink, found.failure->shrinking_executions);
            f.least_size = std::min(f.least_size, found.failure->shrunk_size);
            f.most_size = std::max(f.most_size, found.failure->shrunk_size);
        }
        const auto tried = explore(program.corrected);
        std::cout << "| " << program.name << " | " << f.most_to_find << " | " << f.least_size
                  << " to " << f.most_size << " | " << f.most_to_shrink << " | " << tried.executions
                  << (tried.exhausted ? ", all" : "") << " |\n";
    }
}
