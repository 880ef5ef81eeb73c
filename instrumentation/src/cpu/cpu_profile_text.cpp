// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/cpu_profiler.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace coroscope::instrumentation {
namespace {

using cpu_by_name = std::map<std::string, std::int64_t>;

std::string seconds(std::int64_t nanoseconds) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.3f s", static_cast<double>(nanoseconds) / 1e9);
    return text.data();
}

void append_largest(std::string& text, const char* head, const cpu_by_name& sums,
                    std::int64_t whole, std::size_t most) {
    std::vector<std::pair<std::string, std::int64_t>> rows(sums.begin(), sums.end());
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        return std::tie(b.second, a.first) < std::tie(a.second, b.first);
    });
    text += head;
    for (std::size_t i = 0; i < std::min(rows.size(), most); ++i) {
        std::array<char, 64> share{};
        std::snprintf(share.data(), share.size(), "  %5.1f %%  ",
                      100.0 * static_cast<double>(rows[i].second) / static_cast<double>(whole));
        text += share.data() + seconds(rows[i].second) + "  " + rows[i].first + '\n';
    }
    if (rows.size() > most) { text += "  and " + std::to_string(rows.size() - most) + " more\n"; }
}

}  // namespace

std::string cpu_profile_text(const report::profile& profile, std::size_t most) {
    constexpr std::size_t count = 0;
    constexpr std::size_t cpu = 1;
    const auto whole = total(profile, cpu);
    auto text = "CPU profile: " + seconds(whole) + " in " + std::to_string(total(profile, count))
                + " samples, of " + seconds(profile.duration.count());
    if (profile.dropped > 0) { text += ", " + std::to_string(profile.dropped) + " dropped"; }
    text += '\n';
    if (!profile.note.empty()) { text += "  " + profile.note + '\n'; }
    if (whole == 0) { return text; }
    cpu_by_name tasks;
    cpu_by_name functions;
    for (const auto& sample : profile.samples) {
        tasks[sample.task.empty() ? "(no named task)" : sample.task] += sample.values[cpu];
        const bool is_known =
            !sample.stack.empty() && !profile.frames[sample.stack.front()].function.empty();
        functions[is_known ? profile.frames[sample.stack.front()].function : "?"] +=
            sample.values[cpu];
    }
    append_largest(text, "by task:\n", tasks, whole, most);
    append_largest(text, "by function:\n", functions, whole, most);
    return text;
}

}  // namespace coroscope::instrumentation
