// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/test_run.hpp>

#include <regex>
#include <string>

/// Texts of failures, without what differs from machine to machine and from edit to edit: folders
/// go, and lines of `*_test.cpp` become N.
namespace failure_text {

inline std::string plain(const std::string& text) {
    static const std::regex place(R"(([^ \n(]*/)?(\w+_test\.cpp):\d+)");
    return std::regex_replace(text, place, "$2:N");
}

/// What a test that consists of this body fails with; one text below the other.
template <class F>
std::string of(F&& body, std::uint64_t seed = 1) {
    coroscope::testkit::test_options options;
    options.seed = seed;
    const auto result = coroscope::testkit::run_test(body, options);
    std::string all;
    for (const auto& failure : result.failures) {
        all += plain(failure.message) + "\n";
    }
    return all;
}

/// What this throws says.
template <class F>
std::string thrown_by(F&& f) {
    try {
        f();
    } catch (const std::exception& e) { return plain(e.what()); }
    return "nothing was thrown";
}

}  // namespace failure_text
