// SPDX-License-Identifier: Apache-2.0
#include "races/prediction.hpp"

#include "races/search.hpp"

#include <coroscope/testkit/explore.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace race_corpus {

prediction predict(const program& p) {
    auto options =
        search_options(coroscope::testkit::strategy::portfolio, most_executions_predicted, 1);
    options.max_shrink_executions = 0;
    options.find_races = true;
    const auto found = coroscope::testkit::explore(p.run, options);
    prediction result;
    for (const auto& each : found.findings) {
        result.rules.insert(each.rule);
        const bool is_candidate = std::ranges::any_of(each.evidence, [](const auto& item) {
            return item.label == "schedule" && !item.text.starts_with("hold nobody");
        });
        const bool was_predicted = !each.rule.starts_with("unordered");
        result.candidates += is_candidate && was_predicted ? 1U : 0U;
    }
    if (found.ok()) { return result; }
    result.failed_by_itself = found.failure->found_by == "the recorded execution";
    result.is_explained = result.failed_by_itself && !found.failure->findings.empty();
    result.is_directed = found.failure->found_by.starts_with("a directed execution");
    if (!result.failed_by_itself) { result.executions = found.failure->number - 1; }
    return result;
}

double geometric_mean(const std::vector<std::uint64_t>& of) {
    double logarithms = 0;
    for (const auto each : of) {
        logarithms += std::log(static_cast<double>(each));
    }
    return of.empty() ? 0 : std::exp(logarithms / static_cast<double>(of.size()));
}

std::optional<std::uint64_t> median(std::vector<std::uint64_t> of) {
    if (of.empty()) { return {}; }
    std::ranges::sort(of);
    return of[of.size() / 2];
}

}  // namespace race_corpus
