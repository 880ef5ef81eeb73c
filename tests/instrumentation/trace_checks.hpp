// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// A trace as a test asks it. Every event has what the trace-event format wants of its phase.
class checked_trace {
public:
    using json = nlohmann::json;

    explicit checked_trace(const std::string& text) : all_(json::parse(text)) {
        REQUIRE(all_.at("traceEvents").is_array());
        for (const auto& e : all_.at("traceEvents")) {
            const auto problem = problem_of(e);
            if (!problem.empty()) { FAIL(problem << ": " << e.dump()); }
            if (e.at("ph") == "M" && e.at("name") == "thread_name") {
                tracks_[e.at("args").at("name")] = e.at("tid");
            }
        }
        CHECK(arrows_begun_ == arrows_ended_);
    }

    [[nodiscard]] const json& other() const { return all_.at("otherData"); }
    [[nodiscard]] bool has_track(const std::string& name) const { return tracks_.count(name) > 0; }
    /// The events of one phase, on the track of that name, or on all (empty).
    [[nodiscard]] std::vector<json> events(const std::string& phase,
                                           const std::string& track = {}) const {
        std::vector<json> found;
        for (const auto& e : all_.at("traceEvents")) {
            const bool here =
                track.empty()
                || (e.contains("tid") && has_track(track) && e.at("tid") == tracks_.at(track));
            if (here && e.at("ph") == phase) { found.push_back(e); }
        }
        return found;
    }
    /// How many arrows of that name lead from one track to the other.
    [[nodiscard]] std::size_t arrows(const std::string& name, const std::string& from,
                                     const std::string& to) const {
        std::set<std::uint64_t> begun;
        for (const auto& e : events("s", from)) {
            if (e.at("name") == name) { begun.insert(e.at("id").get<std::uint64_t>()); }
        }
        std::size_t count = 0;
        for (const auto& e : events("f", to)) {
            count += begun.count(e.at("id").get<std::uint64_t>());
        }
        return count;
    }

    /// Each arrow begins inside of a slice and leads to one: viewers do not show others.
    void check_that_arrows_are_bound() const {
        for (const auto& arrow : events("s")) {
            INFO(arrow.dump());
            CHECK(any_slice(arrow, [](double began, double ended, double at) {
                return began <= at && at <= ended;
            }));
        }
        for (const auto& arrow : events("f")) {
            INFO(arrow.dump());
            CHECK(any_slice(arrow, [](double began, double, double at) { return began >= at; }));
        }
    }

private:
    template <class F>
    [[nodiscard]] bool any_slice(const json& of, F fits) const {
        for (const auto& slice : events("X")) {
            const double began = slice.at("ts");
            const double length = slice.at("dur");
            if (slice.at("tid") == of.at("tid") && fits(began, began + length, of.at("ts"))) {
                return true;
            }
        }
        return false;
    }
    /// Empty if the event is as it should be. One assertion an event would take longer than all
    /// else.
    [[nodiscard]] std::string problem_of(const json& e) {
        if (!e.at("ph").is_string() || !e.at("pid").is_number_unsigned()
            || !e.at("name").is_string()) {
            return "no phase, process or name";
        }
        const std::string phase = e.at("ph");
        if (phase == "M") {
            const std::set<std::string> known{"process_name", "thread_name"};
            const bool good = known.count(e.at("name")) == 1 && e.at("args").at("name").is_string();
            return good ? "" : "unknown metadata";
        }
        if (!e.at("tid").is_number_unsigned() || !e.at("ts").is_number()
            || e.at("ts").get<double>() < 0 || !e.at("cat").is_string()) {
            return "no track, time or category";
        }
        if (e.contains("args") && !e.at("args").is_object()) { return "arguments are no object"; }
        if (phase == "X") { return e.at("dur").get<double>() >= 0 ? "" : "a negative duration"; }
        if (phase == "i") { return e.at("s") == "t" ? "" : "a mark of no track"; }
        if (phase != "s" && phase != "f") { return "an unknown phase"; }
        const std::string key = e.at("id").dump() + e.at("cat").dump() + e.at("name").dump();
        auto& ends = phase == "s" ? arrows_begun_ : arrows_ended_;
        return ends.insert(key).second ? "" : "two arrows with one id";
    }

    json all_;
    std::map<std::string, std::uint64_t> tracks_;
    std::set<std::string> arrows_begun_;
    std::set<std::string> arrows_ended_;
};
