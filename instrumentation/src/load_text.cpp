// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_load.hpp>

#include <coroscope/report/duration_text.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

namespace coroscope::instrumentation {

using report::format_duration;

namespace {

/// `37 %`, and one digit more where that would be rounded to nothing or everything.
[[nodiscard]] std::string percent(double part) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f %%", part * 100);
    return text.data();
}

[[nodiscard]] std::string one_decimal(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.1f", value);
    return text.data();
}

[[nodiscard]] double part_of(duration busy, duration elapsed) noexcept {
    if (elapsed <= duration{}) { return 0; }
    return std::clamp(static_cast<double>(busy.count()) / static_cast<double>(elapsed.count()), 0.0,
                      1.0);
}

[[nodiscard]] std::string place(const report::source_position& p, const char* otherwise) {
    if (p.empty()) { return otherwise; }
    return to_string(p) + (p.function.empty() ? "" : " in " + p.function);
}

[[nodiscard]] std::string sentence(const long_pass& pass) {
    return "a pass over the ready queue took " + format_duration(pass.busy) + " in "
           + std::to_string(pass.steps) + " steps, the longest " + format_duration(pass.longest);
}

[[nodiscard]] report::finding finding_of(const long_pass& longest, std::size_t count) {
    report::finding made;
    made.rule = "iteration-budget";
    made.where = longest.from.empty() ? longest.to : longest.from;
    const std::array places{longest.from, longest.to};
    made.fingerprint = report::make_fingerprint(made.rule, places);
    made.message = sentence(longest) + "; this was over the budget " + std::to_string(count)
                   + " times. Each step was short, but everything else had to wait for all of "
                     "them: let fewer tasks be ready at once (a semaphore, a bounded queue), or do "
                     "less in each step.";
    const auto who = longest.longest_name.empty() ? "a callback" : longest.longest_name;
    made.evidence.push_back({"ran from", "the longest step, of " + who, longest.from, {}});
    made.evidence.push_back({"ran to", "", longest.to, {}});
    return made;
}

}  // namespace

double load_reading::utilisation() const noexcept {
    return part_of(busy, elapsed);
}

double load_reading::utilisation_since(const load_reading& earlier) const noexcept {
    return part_of(busy - earlier.busy, elapsed - earlier.elapsed);
}

std::vector<report::finding> loop_load::findings() const {
    struct group {
        long_pass longest;
        std::size_t count = 0;
    };
    std::map<std::string, group> groups;
    for (auto& pass : long_passes()) {
        auto& g = groups[to_string(pass.from) + ' ' + to_string(pass.to)];
        ++g.count;
        if (g.count == 1 || pass.busy > g.longest.busy) { g.longest = std::move(pass); }
    }
    std::vector<report::finding> made;
    for (const auto& [key, g] : groups) {
        made.push_back(finding_of(g.longest, g.count));
    }
    return made;
}

std::string log_text(const load_reading& r) {
    const auto& delay = r.wake_delay;
    return "busy " + percent(r.utilisation()) + " of " + format_duration(r.elapsed) + ": "
           + std::to_string(r.steps) + " steps in " + std::to_string(r.passes) + " passes, "
           + std::to_string(r.long_passes) + " over the budget\n" + "ready "
           + std::to_string(r.ready) + " (mean " + one_decimal(r.mean_ready) + ", at most "
           + std::to_string(r.most_ready) + "), timers " + std::to_string(r.scheduled)
           + " (at most " + std::to_string(r.most_scheduled) + ")\n"
           + "from wake-up to run: half below " + format_duration(delay.percentile(50))
           + ", 99 % below " + format_duration(delay.percentile(99)) + ", at most "
           + format_duration(delay.max()) + " (" + std::to_string(delay.count()) + " wake-ups)\n";
}

std::string log_text(const long_pass& pass) {
    const auto who = pass.longest_name.empty() ? "a callback" : pass.longest_name;
    return sentence(pass) + " (" + who
           + ")\n  ran from: " + place(pass.from, "the coroutine's start")
           + "\n  ran to: " + place(pass.to, "the coroutine's end") + "\n";
}

}  // namespace coroscope::instrumentation
