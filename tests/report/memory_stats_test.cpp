// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/memory_stats.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <string>

using namespace coroscope::report;
using Catch::Matchers::Contains;

namespace {

memory_stats some_stats() {
    memory_stats stats;
    stats.calls = 4;
    stats.returned = 2;
    stats.threw = 1;
    stats.cancelled = 1;
    stats.total = {1'000, 10, 600, 6};
    stats.recent = {{std::chrono::seconds(3),
                     {{"page.cpp:7", {700, 7, 0, 0}},
                      {"list.cpp:2", {200, 2, 500, 5}},
                      {"?", {100, 1, 100, 1}}}}};
    stats.recent_dropped = 3;
    return stats;
}

std::string complaint_about(const char* pointer, const nlohmann::json& value) {
    auto json = to_json(memory_table{{"fetch", some_stats()}});
    json[nlohmann::json::json_pointer(pointer)] = value;
    try {
        (void)read_memory_table(json_view(json));
    } catch (const report_error& error) { return error.what(); }
    return "no complaint";
}

}  // namespace

TEST_CASE("memory statistics survive JSON", "[report][memory]") {
    memory_table table{{"fetch", some_stats()}, {"", {}}};
    table["fetch"].recent[0].rows[1].amounts.allocated_bytes = -200;  // an estimate's difference
    CHECK(read_memory_table(json_view(to_json(table))) == table);
}

TEST_CASE("memory statistics that cannot be read are refused with the place", "[report][memory]") {
    CHECK_THAT(complaint_about("/fetch/calls", -1), Contains("$.fetch.calls"));
    CHECK_THAT(complaint_about("/fetch/total", nullptr),
               Contains("$.fetch: member \"total\" is missing"));
    CHECK_THAT(complaint_about("/fetch/recent/0/rows/1/freed_bytes", 1.5),
               Contains("$.fetch.recent[0].rows[1].freed_bytes: expected a whole number"));
    CHECK_THAT(complaint_about("/fetch/recent/0/rows/0/key", 7),
               Contains("$.fetch.recent[0].rows[0].key: expected a string"));
    CHECK_THAT(complaint_about("/fetch/recent/0/completed_at_ns", "noon"),
               Contains("$.fetch.recent[0].completed_at_ns"));
}

TEST_CASE("memory statistics of two profilers are added by name", "[report][memory]") {
    memory_table table{{"fetch", some_stats()}};
    auto more = some_stats();
    more.recent[0].completed_at = std::chrono::seconds(9);
    merge_memory(table, {{"fetch", more}, {"parse", some_stats()}});
    CHECK(table.at("parse") == some_stats());
    const auto& sum = table.at("fetch");
    CHECK(sum.calls == 8);
    CHECK(sum.returned == 4);
    CHECK(sum.threw == 2);
    CHECK(sum.cancelled == 2);
    CHECK(sum.total == memory_amounts{2'000, 20, 1'200, 12});
    REQUIRE(sum.recent.size() == 2);
    CHECK(sum.recent[1].completed_at == std::chrono::seconds(9));
    CHECK(sum.recent_dropped == 6);
}

TEST_CASE("rows are in the order of what they change", "[report][memory]") {
    std::vector<memory_row> rows{
        {"b", {5, 1, 5, 1}}, {"kept", {9, 1, 0, 0}}, {"a", {}}, {"freed", {0, 0, 10, 1}}};
    sort_rows(rows);
    std::string order;
    for (const auto& row : rows) {
        order += row.key + " ";
    }
    CHECK(order == "freed kept a b ");
}

TEST_CASE("rows beyond a limit are one row, and the sum stays", "[report][memory]") {
    memory_table table{{"fetch", some_stats()}};
    CHECK(limit_rows(table, 3) == 0);
    CHECK(table.at("fetch") == some_stats());
    CHECK(limit_rows(table, 1) == 2);
    const auto& rows = table.at("fetch").recent.at(0).rows;
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].key == "page.cpp:7");
    CHECK(rows[1] == memory_row{"(other)", {300, 3, 600, 6}});
}

TEST_CASE("memory keys have names", "[report][memory]") {
    for (const auto key :
         {memory_key::lineno, memory_key::filename, memory_key::traceback, memory_key::task}) {
        CHECK(find_memory_key(to_string(key)) == key);
    }
    CHECK(to_string(memory_key::filename) == "filename");
    CHECK_FALSE(find_memory_key("Lineno"));
}

TEST_CASE("amounts are added and taken off, and what is live is the difference",
          "[report][memory]") {
    memory_amounts amounts{100, 4, 30, 1};
    CHECK(amounts.live_bytes() == 70);
    CHECK(amounts.live_blocks() == 3);
    amounts -= {150, 5, 30, 1};
    CHECK(amounts == memory_amounts{-50, -1, 0, 0});
    amounts += {50, 1, 10, 2};
    CHECK(amounts == memory_amounts{0, 0, 10, 2});
}
