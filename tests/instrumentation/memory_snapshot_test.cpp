// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

memory_place place(const std::string& task, std::vector<await_site> awaits, std::int64_t bytes) {
    memory_place made;
    made.task = task;
    made.who = 1;
    made.awaits = std::move(awaits);
    made.amounts.allocated_bytes = bytes;
    made.amounts.allocated_blocks = 1;
    return made;
}

std::string line_of(const await_site& site) {
    return to_string(site);
}

}  // namespace

TEST_CASE("rows by line count the innermost frame, or each with cumulative") {
    const auto inner = await_site::current();
    const auto other = await_site::current();
    const auto outer = await_site::current();
    memory_snapshot seen;
    seen.places = {place("a", {inner, outer}, 100), place("b", {other, outer}, 40)};

    const auto rows = seen.rows(memory_key::lineno);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].key == line_of(inner));
    CHECK(rows[0].amounts.live_bytes() == 100);
    CHECK(rows[1].key == line_of(other));

    memory_filter each_frame;
    each_frame.cumulative = true;
    const auto all = seen.rows(memory_key::lineno, each_frame);
    REQUIRE(all.size() == 3);
    CHECK(all[0].key == line_of(outer));
    CHECK(all[0].amounts.live_bytes() == 140);

    CHECK(seen.rows(memory_key::filename).size() == 1);
    const auto stacks = seen.rows(memory_key::traceback);
    REQUIRE(stacks.size() == 2);
    CHECK(stacks[0].key == line_of(inner) + "\n" + line_of(outer));
}

TEST_CASE("filters leave frames out, and what has none left unless files were asked for") {
    const auto here = await_site::current();
    memory_snapshot seen;
    seen.places = {place("a", {here}, 100)};
    memory_filter filter;
    filter.exclude.emplace_back("memory_snapshot_test");
    const auto rows = seen.rows(memory_key::lineno, filter);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].key == "?");
    memory_filter only;
    only.include.emplace_back("another file");
    CHECK(seen.rows(memory_key::lineno, only).empty());
    only.include.emplace_back("memory_snapshot_test");
    CHECK(seen.rows(memory_key::lineno, only).size() == 1);
}

TEST_CASE("a comparison has what changed, the largest change first") {
    const auto grown = await_site::current();
    const auto same = await_site::current();
    const auto freed = await_site::current();
    memory_snapshot before;
    before.places = {place("", {grown}, 10), place("", {same}, 20), place("", {freed}, 300)};
    auto after = before;
    after.places[0].amounts.allocated_bytes += 50;
    after.places[2].amounts.freed_bytes += 300;
    after.places[2].amounts.freed_blocks += 1;
    const auto rows = after.compare_to(before, memory_key::lineno);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].key == line_of(freed));
    CHECK(rows[0].amounts == memory_amounts{0, 0, 300, 1});
    CHECK(rows[1].key == line_of(grown));
    CHECK(rows[1].amounts.live_bytes() == 50);
}

TEST_CASE("a snapshot's profile has four values and the tasks' names") {
    memory_snapshot seen;
    seen.places = {place("a", {await_site::current()}, 100)};
    seen.places[0].amounts.freed_bytes = 30;
    seen.period = 512;
    seen.dropped = 3;
    seen.note = "not seen";
    const auto made = seen.to_profile();
    CHECK(made.kind == "heap");
    REQUIRE(made.values.size() == 4);
    CHECK(made.values[3].name == "inuse_space");
    REQUIRE(made.samples.size() == 1);
    CHECK(made.samples[0].task == "a");
    CHECK(made.samples[0].values == std::vector<std::int64_t>{1, 100, 1, 70});
    CHECK(made.period == 512);
    CHECK(made.dropped == 3);
    CHECK(made.note == "not seen");
}
