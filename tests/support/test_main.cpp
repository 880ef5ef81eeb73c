// SPDX-License-Identifier: Apache-2.0
// The main of every test executable: Catch2's own, and one more mode in which the executable
// writes its test cases as a ctest file (see cmake/CoroscopeTests.cmake).

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#include <catch2/internal/catch_test_case_registry_impl.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

#if __has_include(<catch2/catch_all.hpp>)
const Catch::TestCaseInfo& info_of(const Catch::TestCaseHandle& test) {
    return test.getTestCaseInfo();
}
#else
const Catch::TestCaseInfo& info_of(const Catch::TestCase& test) {
    return test;
}
#endif

// Names that select exactly one test case in Catch2's test specification language.
std::string escaped(std::string_view name) {
    std::string out;
    for (char c : name) {
        if (std::string_view{"\\,[]\"*~"}.find(c) != std::string_view::npos) { out += '\\'; }
        out += c;
    }
    return out;
}

std::string bracketed(std::string_view text) {
    return "[==[" + std::string{text} + "]==]";
}

bool has_tag(const std::string& tags, std::string_view tag) {
    return tags.find("[" + std::string{tag} + "]") != std::string::npos;
}

// Labels of one test case: its tags decide where they name a kind, otherwise the executable's.
std::string labels_of(const std::string& tags, std::string labels) {
    static constexpr std::array kinds{"unit",      "integration", "golden",
                                      "packaging", "policy",      "stress"};
    std::replace(labels.begin(), labels.end(), ',', ';');
    std::string own;
    for (const char* kind : kinds) {
        if (has_tag(tags, kind)) { own += (own.empty() ? "" : ";") + std::string{kind}; }
    }
    if (!own.empty()) { labels = own; }
    for (const char* extra : {"threads", "slow"}) {
        if (has_tag(tags, extra)) { labels += ";" + std::string{extra}; }
    }
    return labels;
}

struct listing_options {
    std::string program, prefix, labels, timeout, folder, file;
    bool by_file = false;
};

/// Test cases that one ctest test runs, in one process.
struct ctest_entry {
    std::string name, selection, labels;
    bool serial = false;
};

// Unit tests of one source file are one entry when that was asked for; all others are one each.
std::string name_of_entry(const Catch::TestCaseInfo& test, const ctest_entry& entry, bool by_file) {
    if (!by_file || entry.serial || entry.labels.rfind("unit", 0) != 0) { return test.name; }
    const std::string_view file = test.lineInfo.file;
    const auto name = std::string{file.substr(file.rfind('/') + 1)};
    // "unit" alone, or "unit;threads" and the like, which are entries of their own.
    if (entry.labels == "unit") { return name; }
    return name + " (" + entry.labels.substr(std::string_view{"unit;"}.size()) + ")";
}

void add_test(std::vector<ctest_entry>& entries, const Catch::TestCaseInfo& test,
              const listing_options& options) {
    const std::string tags = test.tagsAsString();
    ctest_entry entry{
        {}, escaped(test.name), labels_of(tags, options.labels), has_tag(tags, "serial")};
    entry.name = name_of_entry(test, entry, options.by_file);
    const auto same = std::find_if(entries.begin(), entries.end(),
                                   [&](const auto& other) { return other.name == entry.name; });
    if (same == entries.end()) {
        entries.push_back(std::move(entry));
    } else {
        same->selection += "," + entry.selection;
    }
}

void write_entry(std::ostream& out, const ctest_entry& entry, const listing_options& options) {
    const std::string name = bracketed(options.prefix + entry.name);
    out << "add_test(" << name << " " << bracketed(options.program) << " "
        << bracketed(entry.selection) << ")\n"
        << "set_tests_properties(" << name << " PROPERTIES LABELS " << bracketed(entry.labels)
        << " TIMEOUT " << options.timeout << " WORKING_DIRECTORY " << bracketed(options.folder)
        << (entry.serial ? " RUN_SERIAL TRUE" : "") << ")\n";
}

int list_for_ctest(Catch::Session& session, const listing_options& options) {
    std::set<std::string> names;
    std::vector<ctest_entry> entries;
    for (const auto& test : Catch::getAllTestCasesSorted(session.config())) {
        const Catch::TestCaseInfo& info = info_of(test);
        if (!names.insert(info.name).second) {
            std::cerr << "two test cases are named '" << info.name << "'\n";
            return 1;
        }
        if (!has_tag(info.tagsAsString(), ".")) { add_test(entries, info, options); }
    }
    std::ofstream out{options.file};
    for (const auto& entry : entries) {
        write_entry(out, entry, options);
    }
    out.close();
    return out ? 0 : 1;
}

}  // namespace

int main(int argc, char* argv[]) {
    Catch::Session session;
    if (argc == 9 && std::string_view{argv[1]} == "--list-for-ctest") {
        const bool by_file = std::string_view{argv[8]} == "by-file";
        return list_for_ctest(session,
                              {argv[2], argv[3], argv[4], argv[5], argv[6], argv[7], by_file});
    }
    return session.run(argc, argv);
}
