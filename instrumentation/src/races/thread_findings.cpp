// SPDX-License-Identifier: Apache-2.0
#include "thread_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] std::string access_text(const access_record& made) {
    return std::string(made.is_write() ? "wrote" : "read") + " at " + line_of(made);
}

/// `read 'x' at a.cpp:3 in f and wrote it at a.cpp:5 in f`.
[[nodiscard]] std::string accesses_text(const thread_race& race, const access_record& of) {
    std::vector<std::string> texts;
    for (const auto& each : race.all) {
        if (each->who->agent != of.who->agent) { continue; }
        auto text = access_text(*each);
        const auto what = texts.empty() ? label_text(race.variable) : std::string("it");
        text.insert(text.find(' '), " " + what);
        if (std::ranges::find(texts, text) == texts.end()) { texts.push_back(std::move(text)); }
    }
    std::string all;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const bool is_last = i + 1 == texts.size();
        all += (i == 0 ? "" : is_last ? " and " : ", ") + texts[i];
    }
    return all;
}

[[nodiscard]] std::vector<report::source_position> places_of(const thread_race& race) {
    std::vector<report::source_position> places;
    for (const auto& each : race.all) {
        places.push_back(place_of_access(*each));
    }
    std::ranges::sort(places, {}, [](const auto& p) { return to_string(p) + p.function; });
    const auto ended = std::ranges::unique(places, {}, [](const auto& p) { return to_string(p); });
    places.erase(ended.begin(), ended.end());
    return places;
}

}  // namespace

report::finding describe_thread_race(const thread_race& race) {
    const auto& [earlier, later, all, variable, has_happened] = race;
    report::finding made;
    made.rule = "thread-race";
    made.severity = report::severity::error;
    made.verdict = has_happened ? report::verdict::confirmed : report::verdict::predicted;
    made.where = place_of_access(*later);
    made.fingerprint =
        make_fingerprint(made.rule, places_of(race), variable.name != nullptr ? variable.name : "");
    made.message = unit_text(*earlier->who) + " " + accesses_text(race, *earlier) + ", and "
                   + unit_text(*later->who) + " " + accesses_text(race, *later)
                   + ", in two threads that nothing orders. Hold one mutex from the first access "
                     "of each to its last, or let the loop do it when the job's result has come.";
    add_variable(made, variable);
    add_unit(made, "first task", *earlier->who);
    add_unit(made, "other task", *later->who);
    add_stack(made, "first access", access_text(*earlier), *earlier);
    made.evidence.push_back({"await between", "none: they run at the same time", {}, {}});
    add_stack(made, "second access", access_text(*later), *later);
    for (const auto& each : all) {
        if (each->order == earlier->order || each->order == later->order) { continue; }
        const bool is_firsts = each->who->agent == earlier->who->agent;
        add_stack(made, is_firsts ? "access of the first task" : "access of the other task",
                  access_text(*each), *each);
    }
    made.evidence.push_back(
        {"missing order",
         "no mutex that both hold, and neither the job's beginning nor its end lies between the "
         "two: nothing orders the access of "
             + unit_text(*earlier->who) + " before that of " + unit_text(*later->who),
         {},
         {}});
    add_default_order(made);
    return made;
}

}  // namespace coroscope::instrumentation::detail
