// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/leaks.hpp>

#include <coroscope/instrumentation/snapshots.hpp>

#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

memory_place place(const std::string& task, std::vector<await_site> awaits, std::int64_t allocated,
                   std::int64_t freed) {
    memory_place made;
    made.loop_id = task.empty() ? 0 : 1;
    made.who = 7;
    made.task = task;
    made.awaits = std::move(awaits);
    made.amounts = {allocated * 100, allocated, freed * 100, freed};
    return made;
}

std::string frame_of(const await_site& site) {
    const auto position = position_of(site);
    return "    at " + position.function + ' ' + to_string(site) + '\n';
}

}  // namespace

TEST_CASE("the text of leaks lists what is alive, by task and stack, most bytes first") {
    const auto inner = await_site::current();
    const auto outer = await_site::current();
    memory_snapshot seen;
    seen.places = {place("small", {inner}, 3, 2), place("", {}, 2, 0),
                   place("large", {inner, outer}, 9, 4), place("clean", {outer}, 5, 5)};
    seen.note = "everything";
    CHECK(leak_text(seen)
          == "alive, of what was allocated since the profiler was started: 800 bytes in 8 blocks\n"
             "  500 bytes in 5 blocks, task large\n"
                 + frame_of(inner) + frame_of(outer)
                 + "  200 bytes in 2 blocks, outside of tasks\n"
                   "    at ?\n"
                   "  100 bytes in 1 block, task small\n"
                 + frame_of(inner) + "counted: everything\n");
}

TEST_CASE("equal sites are one, further sites are summed up, and limits are told") {
    const auto here = await_site::current();
    memory_snapshot seen;
    seen.places = {place("a", {here}, 1, 0), place("a", {here}, 4, 0), place("b", {here}, 2, 0),
                   place("c", {here}, 1, 0)};
    seen.dropped = 6;
    seen.period = 512;
    leak_options options;
    options.most_sites = 1;
    CHECK(leak_text(seen, options)
          == "alive, of what was allocated since the profiler was started: 800 bytes in 8 blocks\n"
             "  500 bytes in 5 blocks, task a\n"
                 + frame_of(here)
                 + "  300 bytes in 3 blocks, 2 more sites\n"
                   "not counted, for want of room: 6 allocations\n"
                   "the amounts are estimates from samples\n");
}

TEST_CASE("nothing alive is said in one line") {
    memory_snapshot seen;
    seen.places = {place("clean", {await_site::current()}, 5, 5)};
    CHECK(leak_text(seen)
          == "alive, of what was allocated since the profiler was started: 0 bytes in 0 blocks\n");
}

TEST_CASE("a report at exit is refused where nothing is hooked") {
    CHECK_THROWS_AS(report_leaks_at_exit(), std::logic_error);
}
