// SPDX-License-Identifier: Apache-2.0
#include "races/corpus.hpp"

#include "races/prediction.hpp"
#include "races/search.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using coroscope::testkit::explore;
using coroscope::testkit::replay;
using coroscope::testkit::strategy;
using namespace race_corpus;

namespace {

[[nodiscard]] long count(verdict v) {
    return std::ranges::count(all(), v, &program::expected);
}

}  // namespace

TEST_CASE("the corpus has ninety bugs, and correct programs with a mutant each", "[races]") {
    CHECK(count(verdict::bug) == 90);
    CHECK(count(verdict::correct) == 41);
    CHECK(count(verdict::mutant) == 41);
    std::set<std::string> names;
    for (const auto& each : all()) {
        CAPTURE(each.name);
        CHECK(names.insert(std::string(each.name) + "/" + to_string(each.expected)).second);
        if (each.expected == verdict::correct) {
            CHECK(std::ranges::any_of(all(), [&](const program& p) {
                return p.expected == verdict::mutant && p.name == each.name;
            }));
        }
    }
}

TEST_CASE("every bug of the corpus is confirmed, and replayed", "[races]") {
    for (const auto& each : all()) {
        if (each.expected == verdict::correct) { continue; }
        const auto found = explore(each.run, search_options(strategy::portfolio, 1'000, 1));
        CAPTURE(each.name, to_string(each.expected), to_string(found));
        CHECK_FALSE(found.ok());
        if (found.ok()) { continue; }
        const auto again =
            replay(each.run, found.failure->shrunk, search_options(strategy::portfolio, 1'000, 1));
        REQUIRE_FALSE(again.failures.empty());
        CHECK(again.failures[0].kind == found.failure->shrunk_result.failures[0].kind);
    }
}

TEST_CASE("bugs of the corpus are confirmed without assertions, unless they need them", "[races]") {
    const without_assertions scope;
    std::size_t needy = 0;
    std::size_t wrong = 0;
    for (const auto& each : all()) {
        if (each.expected == verdict::correct) { continue; }
        ++wrong;
        needy += each.needs_assertions ? 1U : 0U;
        const auto found = explore(each.run, search_options(strategy::portfolio, 1'000, 1));
        CAPTURE(each.name, to_string(each.expected), to_string(found));
        CHECK(found.ok() == each.needs_assertions);
    }
    CHECK(needy == 5);
    CHECK(wrong == 131);
}

TEST_CASE("no correct program of the corpus is reported, whatever the strategy", "[races]") {
    for (const auto& each : all()) {
        if (each.expected != verdict::correct) { continue; }
        for (const auto s : every_strategy) {
            const auto tried = explore(each.run, search_options(s, 50, 1));
            CAPTURE(each.name, to_string(s), to_string(tried));
            CHECK(tried.ok());
        }
    }
}

#if COROSCOPE_RACES_ARE_SEEN
TEST_CASE("lost updates are predicted from one run that hides them, and confirmed", "[races]") {
    for (const auto* name : {"balance-across-a-yield", "session-saved-as-a-whole",
                             "same-number-twice", "visits-in-a-loop", "never-freed"}) {
        const auto which = std::ranges::find(all(), std::string_view(name), &program::name);
        REQUIRE(which != all().end());
        const auto predicted = predict(*which);
        CAPTURE(name, predicted.candidates);
        CHECK_FALSE(predicted.failed_by_itself);
        CHECK(predicted.rules.contains("stale-write"));
        CHECK(predicted.is_directed);
        CHECK(predicted.executions.value_or(1'000) <= 3);
    }
}

TEST_CASE("most bugs that are hidden by default are confirmed by the first directed executions",
          "[races]") {
    std::vector<std::uint64_t> executions;
    std::size_t directed = 0;
    for (const auto& each : all()) {
        if (each.expected == verdict::correct) { continue; }
        const auto found = predict(each);
        if (found.failed_by_itself) { continue; }
        CAPTURE(each.name, to_string(each.expected));
        CHECK(found.executions.has_value());
        executions.push_back(found.executions.value_or(most_executions_predicted));
        directed += found.is_directed ? 1U : 0U;
    }
    CHECK(executions.size() > 100);
    CHECK(directed * 10 >= executions.size() * 9);
    CHECK(median(executions).value_or(most_executions_predicted) <= 3);
    CHECK(geometric_mean(executions) < 2.6);
}

TEST_CASE("most bugs that show by default are told with the race that they are due to", "[races]") {
    std::size_t shown = 0;
    std::size_t explained = 0;
    std::string others;
    for (const auto& each : all()) {
        if (each.expected == verdict::correct) { continue; }
        const auto found = predict(each);
        shown += found.failed_by_itself ? 1U : 0U;
        explained += found.is_explained ? 1U : 0U;
        if (found.failed_by_itself && !found.is_explained) {
            others += " " + std::string(each.name);
        }
    }
    CAPTURE(shown, explained, others);
    CHECK(shown > 20);
    CHECK(explained * 4 >= shown * 3);
}

TEST_CASE("no correct program of the corpus is confirmed by a directed execution", "[races]") {
    for (const auto& each : all()) {
        if (each.expected != verdict::correct) { continue; }
        const auto found = predict(each);
        CAPTURE(each.name, found.executions.value_or(0));
        CHECK_FALSE(found.failed_by_itself);
        CHECK_FALSE(found.executions.has_value());
    }
}
#endif
