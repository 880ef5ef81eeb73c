// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/finding_log.hpp>

#include "support/catch.hpp"

#include <string>

using coroscope::instrumentation::finding_log;
using coroscope::report::finding;

namespace {

finding named(const std::string& rule) {
    finding made;
    made.rule = rule;
    return made;
}

}  // namespace

TEST_CASE("a finding that comes again is counted, not kept twice") {
    finding_log log(10);
    CHECK_FALSE(log.count_again(7).has_value());
    CHECK(log.add(7, named("first")));
    CHECK(log.add(8, named("second")));
    CHECK(log.count_again(7) == 2);
    CHECK(log.count_again(7) == 3);
    const auto found = log.findings();
    REQUIRE(found.size() == 2);
    CHECK(found[0].rule == "first");
    REQUIRE(found[0].evidence.size() == 1);
    CHECK(found[0].evidence[0].label == "seen");
    CHECK(found[0].evidence[0].text == "3 times");
    CHECK(found[1].evidence.empty());
    CHECK(log.dropped() == 0);
}

TEST_CASE("of two who add the same at once the second is counted") {
    finding_log log(10);
    CHECK(log.add(7, named("first")));
    CHECK_FALSE(log.add(7, named("same")));
    const auto found = log.findings();
    REQUIRE(found.size() == 1);
    CHECK(found[0].rule == "first");
    REQUIRE(found[0].evidence.size() == 1);
    CHECK(found[0].evidence[0].text == "2 times");
    CHECK(log.dropped() == 0);
}

TEST_CASE("a full log keeps the first findings and counts each occurrence of the others") {
    finding_log log(1);
    CHECK(log.add(1, named("first")));
    CHECK_FALSE(log.add(2, named("second")));
    CHECK_FALSE(log.count_again(2).has_value());
    CHECK_FALSE(log.add(2, named("second")));
    log.count_dropped();
    CHECK(log.findings().size() == 1);
    CHECK(log.dropped() == 3);
}

TEST_CASE("what was predicted and has happened is confirmed in its place") {
    finding_log log(2);
    auto guess = named("lock-cycle");
    guess.verdict = coroscope::report::verdict::predicted;
    auto seen = named("lock-cycle");
    seen.message = "it happened";
    CHECK_FALSE(log.confirm(1, seen));
    CHECK(log.add(1, guess));
    CHECK(log.add(2, named("other")));
    CHECK(log.confirm(1, seen));
    CHECK_FALSE(log.confirm(1, named("again")));
    const auto found = log.findings();
    REQUIRE(found.size() == 2);
    CHECK(found[0].verdict == coroscope::report::verdict::confirmed);
    CHECK(found[0].message == "it happened");
}
