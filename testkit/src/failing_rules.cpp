// SPDX-License-Identifier: Apache-2.0
#include "failing_rules.hpp"

#include <algorithm>
#include <stdexcept>

namespace coroscope::testkit::detail {
namespace {

using instrumentation::lint_rule;

[[nodiscard]] std::vector<lint_rule> all_lints() {
    std::vector<lint_rule> all;
    for (auto n = 0U; n <= static_cast<unsigned>(lint_rule::wrong_thread); ++n) {
        all.push_back(static_cast<lint_rule>(n));
    }
    return all;
}

[[nodiscard]] bool names(const std::vector<std::string>& named, std::string_view rule) {
    return std::ranges::find(named, rule) != named.end();
}

}  // namespace

void check_rules(const std::vector<std::string>& named) {
    std::vector<std::string> known{"slow-step", "hold-given-up"};
    for (const auto rule : all_lints()) {
        known.emplace_back(instrumentation::to_string(rule));
    }
    for (const auto& rule : named) {
        if (names(known, rule)) { continue; }
        std::string list;
        for (const auto& each : known) {
            list += (list.empty() ? "" : ", ") + each;
        }
        throw std::invalid_argument("test_options::fail_on has the unknown rule '" + rule
                                    + "'; known are " + list);
    }
}

std::unique_ptr<instrumentation::lints> lints_for(const std::vector<std::string>& named) {
    const auto all = all_lints();
    instrumentation::lint_options options;
    for (const auto rule : all) {
        if (!names(named, instrumentation::to_string(rule))) { options.without.push_back(rule); }
    }
    if (options.without.size() == all.size()) { return nullptr; }
    return std::make_unique<instrumentation::lints>(std::move(options));
}

}  // namespace coroscope::testkit::detail
