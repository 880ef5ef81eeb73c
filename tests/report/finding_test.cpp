// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/finding.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <array>

using namespace coroscope::report;
using Catch::Matchers::Contains;

namespace {

finding sample() {
    finding finding;
    finding.rule = "race";
    finding.severity = severity::error;
    finding.verdict = verdict::predicted;
    finding.fingerprint = "0123456789abcdef";
    finding.message = "two tasks write count; guard it";
    finding.where = {"a.cpp", 3, "f()"};
    finding.evidence = {
        {"writer", "task 7", {"b.cpp", 9, "g()"}, stack{{{"g", "", 0, "", 16, false}}, false}},
        {"schedule", "replay with 1.2.1", {}, {}}};
    return finding;
}

std::string print_of(const source_position& position) {
    return make_fingerprint("slow-step", std::array{position});
}

}  // namespace

TEST_CASE("a finding survives the way through JSON", "[report]") {
    const auto json = to_json(sample());
    CHECK(read_finding(json_view(json)) == sample());
}

TEST_CASE("a finding from a newer writer is read without what is unknown", "[report]") {
    auto json = to_json(sample());
    json["confidence"] = 0.5;
    CHECK(read_finding(json_view(json)) == sample());
}

TEST_CASE("a severity that does not exist is refused with those that do", "[report]") {
    auto json = to_json(sample());
    json["severity"] = "fatal";
    CHECK_THROWS_WITH(
        read_finding(json_view(json)),
        Contains("$.severity: expected one of note, warning, error, found string \"fatal\""));
}

TEST_CASE("a fingerprint ignores lines and directories", "[report]") {
    const auto print = print_of({"/home/a/src/gzip.cpp", 40, "coro<void> serve()"});
    CHECK(print.size() == 16);
    CHECK(print_of({"../src/gzip.cpp", 99, "coro<void> serve()"}) == print);
    CHECK(print_of({"gzip.cpp", 1, "coro<void> serve()"}) == print);
}

TEST_CASE("a fingerprint is the same on every machine and in every version", "[report]") {
    CHECK(make_fingerprint("", {}) == "08328807b4eb6fed");
    CHECK(make_fingerprint("slow-step", {}) != make_fingerprint("slow", {}));
}

TEST_CASE("a fingerprint tells rules, files, functions, order and detail apart", "[report]") {
    const source_position a{"a.cpp", 1, "f()"};
    const source_position b{"b.cpp", 1, "f()"};
    const source_position other_function{"a.cpp", 1, "g()"};
    const auto print = make_fingerprint("race", std::array{a, b});
    CHECK(make_fingerprint("deadlock", std::array{a, b}) != print);
    CHECK(make_fingerprint("race", std::array{b, a}) != print);
    CHECK(make_fingerprint("race", std::array{other_function, b}) != print);
    CHECK(make_fingerprint("race", std::array{a}) != print);
    CHECK(make_fingerprint("race", std::array{a, b}, "count") != print);
}

TEST_CASE("a fingerprint does not run neighbouring texts together", "[report]") {
    CHECK(print_of({"ab", 1, "c"}) != print_of({"a", 1, "bc"}));
}

TEST_CASE("a fingerprint ignores the place in clang's names of lambdas", "[report]") {
    CHECK(print_of({"a.cpp", 1, "void run((lambda at /x/a.cpp:12:5))"})
          == print_of({"a.cpp", 1, "void run((lambda at /y/a.cpp:14:9))"}));
    CHECK(print_of({"a.cpp", 1, "void run((lambda at /x/a.cpp:12:5), int)"})
          != print_of({"a.cpp", 1, "void run((lambda at /y/a.cpp:14:9), long)"}));
}
