// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/latency_table.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace coroscope::report {
namespace {

latency difference(const latency& later, const latency& earlier) {
    return {later.ended.since(earlier.ended), later.going_on};
}

latency_table::rows difference(const latency_table::rows& later,
                               const latency_table::rows& earlier) {
    latency_table::rows made;
    for (const auto& [key, row] : later) {
        const auto before = earlier.find(key);
        auto& to = made[key];
        to = row;
        if (before == earlier.end()) { continue; }
        to.step = difference(row.step, before->second.step);
        to.delay = difference(row.delay, before->second.delay);
        to.wait = difference(row.wait, before->second.wait);
    }
    return made;
}

nlohmann::json json_of(const latency& l) {
    return {{"ended", to_json(l.ended)}, {"going_on", to_json(l.going_on)}};
}

nlohmann::json json_of(const latency_table::rows& rows) {
    auto made = nlohmann::json::object();
    for (const auto& [key, row] : rows) {
        made[key] = {{"step", json_of(row.step)},
                     {"delay", json_of(row.delay)},
                     {"wait", json_of(row.wait)}};
    }
    return made;
}

latency read_latency(const json_view& json) {
    return {read_histogram(json.at("ended")), read_histogram(json.at("going_on"))};
}

latency_table::rows read_rows(const json_view& json) {
    latency_table::rows rows;
    for (const auto& [key, row] : json.members()) {
        rows[key] = {read_latency(row.at("step")), read_latency(row.at("delay")),
                     read_latency(row.at("wait"))};
    }
    return rows;
}

}  // namespace

histogram latency::all() const {
    auto both = ended;
    both.merge(going_on);
    return both;
}

void latency::merge(const latency& more) {
    ended.merge(more.ended);
    going_on.merge(more.going_on);
}

void latency_row::merge(const latency_row& more) {
    step.merge(more.step);
    delay.merge(more.delay);
    wait.merge(more.wait);
}

latency_row latency_table::total() const {
    latency_row sum;
    for (const auto& [key, row] : by_coroutine) {
        sum.merge(row);
    }
    return sum;
}

latency_table latency_table::since(const latency_table& earlier) const {
    latency_table news;
    news.duration = duration - earlier.duration;
    news.by_coroutine = difference(by_coroutine, earlier.by_coroutine);
    news.by_name = difference(by_name, earlier.by_name);
    news.dropped = dropped - std::min(dropped, earlier.dropped);
    return news;
}

nlohmann::json to_json(const latency_table& table) {
    return {{"duration_ns", table.duration.count()},
            {"by_coroutine", json_of(table.by_coroutine)},
            {"by_name", json_of(table.by_name)},
            {"dropped", table.dropped}};
}

latency_table read_latency_table(const json_view& json) {
    latency_table table;
    table.duration = json.at("duration_ns").nanoseconds();
    table.by_coroutine = read_rows(json.at("by_coroutine"));
    table.by_name = read_rows(json.at("by_name"));
    table.dropped = json.at("dropped").count();
    return table;
}

}  // namespace coroscope::report
