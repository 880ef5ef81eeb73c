// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/json_view.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <string>

using namespace coroscope::report;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

template <typename Read>
std::string complaint(Read read) {
    try {
        (void)read();
    } catch (const report_error& error) { return error.what(); }
    return "no complaint";
}

}  // namespace

TEST_CASE("a view reads members, elements and values", "[report]") {
    const auto value = json::parse(R"({"name": "serve", "on": true, "list": [1, 2], "ns": 1500})");
    const json_view view(value);
    CHECK(view.at("name").text() == "serve");
    CHECK(view.at("on").boolean());
    CHECK(view.at("list").elements().at(1).count() == 2);
    CHECK(view.at("ns").nanoseconds() == std::chrono::nanoseconds(1500));
    CHECK(view.members().size() == 4);
}

TEST_CASE("an absent member and a null member are both absent", "[report]") {
    const auto value = json::parse(R"({"null": null, "zero": 0})");
    const json_view view(value);
    CHECK_FALSE(view.find("absent"));
    CHECK_FALSE(view.find("null"));
    CHECK(view.find("zero"));
}

TEST_CASE("a complaint carries the path from the root", "[report]") {
    const auto value = json::parse(R"({"list": [{"n": 1}, {"n": "two"}, {}]})");
    const auto list = json_view(value).at("list").elements();
    CHECK_THAT(complaint([&] { return list[1].at("n").count(); }),
               Contains("$.list[1].n: expected a whole number from 0 up, found string \"two\""));
    CHECK_THAT(complaint([&] { return list[2].at("n"); }),
               Contains("$.list[2]: member \"n\" is missing"));
}

TEST_CASE("numbers that are negative, broken or too large are refused", "[report]") {
    const auto value =
        json::parse(R"([-1, 1.5, 18446744073709551615, 4294967296, 9223372036854775808])");
    const auto all = json_view(value).elements();
    CHECK_THAT(complaint([&] { return all[0].count(); }), Contains("negative number -1"));
    CHECK_THAT(complaint([&] { return all[1].count(); }), Contains("found number 1.5"));
    CHECK(all[2].count() == UINT64_MAX);
    CHECK(all[3].count() == 4294967296U);
    CHECK_THAT(complaint([&] { return all[3].count32(); }),
               Contains("too large (at most 4294967295)"));
    CHECK_THAT(complaint([&] { return all[4].nanoseconds(); }),
               Contains("too large (at most 9223372036854775807)"));
}

TEST_CASE("an amount may be below 0, and fits its type", "[report]") {
    const auto value = json::parse(R"([-9223372036854775808, 7, 9223372036854775808, 1.5, "7"])");
    const auto all = json_view(value).elements();
    CHECK(all[0].amount() == INT64_MIN);
    CHECK(all[1].amount() == 7);
    CHECK_THAT(complaint([&] { return all[2].amount(); }),
               Contains("too large (at most 9223372036854775807)"));
    CHECK_THAT(complaint([&] { return all[3].amount(); }), Contains("expected a whole number"));
    CHECK_THAT(complaint([&] { return all[4].amount(); }), Contains("expected a whole number"));
}

TEST_CASE("values of the wrong type are refused", "[report]") {
    const auto value = json::parse(R"({"n": 1})");
    const json_view view(value);
    CHECK_THAT(complaint([&] { return view.at("n").text(); }), Contains("$.n: expected a string"));
    CHECK_THAT(complaint([&] { return view.at("n").boolean(); }),
               Contains("expected true or false"));
    CHECK_THAT(complaint([&] { return view.at("n").elements(); }), Contains("expected an array"));
    CHECK_THAT(complaint([&] { return view.at("n").at("m"); }), Contains("expected an object"));
    CHECK_THAT(complaint([&] { return view.text(); }),
               Contains("$: expected a string, found object"));
}

TEST_CASE("a long value is cut in a complaint", "[report]") {
    const json value = std::string(5000, 'x');
    CHECK(complaint([&] { return json_view(value).count(); }).size() < 250);
}

TEST_CASE("a signed integer that a program put into a value counts if it is not negative",
          "[report]") {
    const json value = 7;
    CHECK(json_view(value).count() == 7);
}

TEST_CASE("times survive the way through JSON", "[report]") {
    const auto when =
        std::chrono::system_clock::time_point(std::chrono::nanoseconds(1'700'000'000'123'456'789));
    const json value = unix_nanoseconds(when);
    CHECK(value == 1'700'000'000'123'456'789);
    CHECK(json_view(value).unix_time() == when);
}

TEST_CASE("text that is not UTF-8 is replaced, not thrown over", "[report]") {
    const json value{{"name", "caf\xe9"}};
    CHECK(json_line(value) == "{\"name\":\"caf\xef\xbf\xbd\"}");
}
