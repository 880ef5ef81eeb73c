// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/detail/run_settings.hpp>

#include "explore/schedule.hpp"
#include "seed.hpp"
#include "watchdog.hpp"

#include <coroscope/testkit/explore.hpp>

#include <cstdlib>
#include <stdexcept>

namespace coroscope::testkit::detail {
namespace {

void set(const char* name, const std::string& value) {
    if (!value.empty()) { ::setenv(name, value.c_str(), 1); }  // NOLINT(concurrency-mt-unsafe)
}

/// What is wrong with a variable is wrong with the option that set it.
template <class F>
void check(const char* option, F&& read) {
    try {
        static_cast<void>(read());
    } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(std::string(option) + ": " + e.what());
    }
}

}  // namespace

void apply(const run_settings& given) {
    set("COROSCOPE_TEST_SEED", given.seed);
    set("COROSCOPE_TEST_TIME_LIMIT", given.time_limit);
    set("COROSCOPE_TEST_SCHEDULES", given.schedules);
    set("COROSCOPE_TEST_REPLAY", given.replay);
    set("COROSCOPE_TEST_SHARD", given.shard);
    check("--seed", [] { return choose_seed({}); });
    check("--time-limit", [] { return effective_time_limit({}); });
    if (!given.shard.empty()) {
        check("--shard", [&] { return shard::parse(given.shard); });
    }
    if (!given.replay.empty()) {
        check("--replay", [&] { return parse_schedule(given.replay); });
    }
    if (given.schedules.empty()) {
        static_cast<void>(read_explore_settings({}));
    } else {
        check("--schedules", [] { return read_explore_settings({}); });
    }
}

}  // namespace coroscope::testkit::detail
