// SPDX-License-Identifier: Apache-2.0
#include "races/prediction.hpp"

#include "races/search.hpp"

#include <coroscope/testkit/explore.hpp>

#include <algorithm>
#include <string>

namespace race_corpus {

prediction predict(const program& p) {
    constexpr std::uint64_t most_candidates = 1'000;
    auto options = search_options(coroscope::testkit::strategy::default_order, most_candidates, 1);
    options.find_races = true;
    const auto found = coroscope::testkit::explore(p.run, options);
    prediction result;
    for (const auto& each : found.findings) {
        result.rules.insert(each.rule);
        result.candidates += std::ranges::any_of(
            each.evidence, [](const auto& item) { return item.label == "schedule"; });
    }
    if (found.ok()) { return result; }
    result.failed_by_itself = found.failure->found_by == "the recorded execution";
    if (!result.failed_by_itself) { result.directed = found.failure->number - 1; }
    return result;
}

}  // namespace race_corpus
