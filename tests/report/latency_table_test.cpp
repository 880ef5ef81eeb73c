// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/latency_table.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;
using namespace std::chrono_literals;

namespace {

latency_table some_table() {
    latency_table table;
    table.duration = 10s;
    auto& row = table.by_coroutine["serve"];
    row.step.ended.add(1ms);
    row.step.going_on.add(2s);
    row.delay.ended.add(3us, 2);
    row.wait.ended.add(5ms);
    row.wait.going_on.add(7ms);
    table.by_coroutine["accept"].wait.ended.add(1s);
    table.by_name["worker"] = row;
    table.dropped = 4;
    return table;
}

}  // namespace

TEST_CASE("all of a latency is what has ended and what goes on", "[report]") {
    latency l;
    l.ended.add(1ms);
    l.going_on.add(2s);
    CHECK(l.all().count() == 2);
    CHECK(l.all().max() == 2s);
    CHECK(l.all().sum() == 2001ms);
}

TEST_CASE("the total of a table is that of all its coroutines, of each kind", "[report]") {
    const auto total = some_table().total();
    CHECK(total.step.ended.sum() == 1ms);
    CHECK(total.step.going_on.sum() == 2s);
    CHECK(total.delay.ended.count() == 2);
    CHECK(total.delay.going_on.count() == 0);
    CHECK(total.wait.ended.sum() == 1005ms);
    CHECK(total.wait.going_on.sum() == 7ms);
}

TEST_CASE("the difference of two tables has what ended since, and what goes on now", "[report]") {
    const auto first = some_table();
    auto second = first;
    second.duration = 25s;
    second.dropped = 9;
    auto& row = second.by_coroutine["serve"];
    row.step.ended.add(9ms);
    row.step.going_on = {};
    row.delay.ended.add(11us);
    row.wait.ended.add(13ms);
    second.by_coroutine["new"].step.ended.add(1us);
    second.by_name["worker"].wait.ended.add(17ms);
    const auto news = second.since(first);
    CHECK(news.duration == 15s);
    CHECK(news.dropped == 5);
    const auto& serve = news.by_coroutine.at("serve");
    CHECK(serve.step.ended.sum() == 9ms);
    CHECK(serve.step.going_on.count() == 0);
    CHECK(serve.delay.ended.sum() == 11us);
    CHECK(serve.wait.ended.sum() == 13ms);
    CHECK(serve.wait.going_on.sum() == 7ms);
    CHECK(news.by_coroutine.at("accept").wait.ended.count() == 0);
    CHECK(news.by_coroutine.at("new").step.ended.count() == 1);
    CHECK(news.by_name.at("worker").wait.ended.sum() == 17ms);
}

TEST_CASE("a table of latencies survives its JSON form", "[report]") {
    const auto json = to_json(some_table());
    CHECK(json["by_coroutine"]["serve"]["step"]["going_on"]["max_ns"] == 2'000'000'000);
    CHECK(json["by_name"]["worker"]["delay"]["ended"]["count"] == 2);
    CHECK(read_latency_table(json_view(json)) == some_table());
}

TEST_CASE("a table of latencies without its rows is an error", "[report]") {
    auto json = to_json(some_table());
    json["by_name"]["worker"].erase("wait");
    CHECK_THROWS_AS(read_latency_table(json_view(json)), report_error);
}
