// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/lints.hpp>

#include "runtime/virtual_loop.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A virtual loop with lints.
struct linted_loop {
    explicit linted_loop(coroscope::instrumentation::lint_options options = {},
                         coroscope::loop_options of_loop = {})
        : lints(std::move(options)),
          v(of_loop) {
        lints.attach_to(v.loop);
    }

    /// The rules of the findings, in their order.
    [[nodiscard]] std::vector<std::string> rules() const {
        std::vector<std::string> all;
        for (const auto& found : lints.findings()) {
            all.push_back(found.rule);
        }
        return all;
    }

    coroscope::instrumentation::lints lints;
    virtual_loop v;
    coroscope::loop& loop = v.loop;
};

using rule_list = std::vector<std::string>;

/// Replaces what differs from machine to machine, compiler to compiler and edit to edit: folders,
/// unnamed namespaces and lines.
inline std::string without_lines(std::string text) {
    for (const std::string_view scope : {"{anonymous}::", "(anonymous namespace)::"}) {
        for (auto at = text.find(scope); at != std::string::npos; at = text.find(scope, at)) {
            text.erase(at, scope.size());
        }
    }
    std::string kept;
    for (std::size_t i = 0; i < text.size();) {
        const auto end = text.find_first_of(" ,;", i);
        auto word = text.substr(i, end == std::string::npos ? end : end - i);
        const auto colon = word.find("pp:");  // of a source or a header
        if (colon != std::string::npos) {
            const auto slash = word.rfind('/', colon);
            const auto name = slash == std::string::npos ? 0 : slash + 1;
            word = word.substr(name, colon + 3 - name) + "LINE";
        }
        kept += word;
        if (end == std::string::npos) { break; }
        kept += text[end];
        i = end + 1;
    }
    return kept;
}
