// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/critical_path.hpp>
#include <coroscope/instrumentation/snapshots.hpp>

#include <coroscope/report/duration_text.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

namespace coroscope::instrumentation {

using report::format_duration;

namespace {

constexpr std::size_t most_frames = 64;

[[nodiscard]] report::stack_frame frame_named(const std::string& name) {
    report::stack_frame frame;
    frame.function = '[' + name + ']';
    return frame;
}

[[nodiscard]] report::stack stack_of(const critical_path& path, const path_piece& piece) {
    report::stack stack;
    stack.frames.push_back(frame_named(
        piece.state == path_state::waiting ? to_string(piece.waits_for) : to_string(piece.state)));
    if (piece.at.line() != 0) { stack.frames.push_back(to_frame(piece.at)); }
    for (auto i = piece.explains; i != path_wait::none; i = path.waits[i].within) {
        stack.truncated = stack.frames.size() == most_frames;
        if (stack.truncated) { break; }
        stack.frames.push_back(to_frame(path.waits[i].at));
    }
    return stack;
}

[[nodiscard]] std::string what_of(const path_piece& piece) {
    switch (piece.state) {
    case path_state::running: return "ran";
    case path_state::scheduled: return "waited for its turn";
    case path_state::waiting: return std::string("waited for ") + to_string(piece.waits_for);
    case path_state::not_recorded: return "not recorded";
    }
    return "?";
}

[[nodiscard]] std::string line_of(const path_piece& piece) {
    auto line = piece.name + ": " + what_of(piece);
    if (piece.at.line() == 0) { return line; }
    line += piece.state == path_state::running ? ", from " : " at ";
    return line + coroscope::to_string(piece.at) + " in " + function_name(piece.at);
}

[[nodiscard]] std::string row(duration part, duration whole, const std::string& what) {
    const auto share = whole > duration{} ? 100.0 * static_cast<double>(part.count())
                                                / static_cast<double>(whole.count())
                                          : 0.0;
    std::array<char, 64> numbers{};
    std::snprintf(numbers.data(), numbers.size(), "%8.1f %%  %8s  ", share,
                  format_duration(part).c_str());
    return numbers.data() + what + '\n';
}

}  // namespace

const char* to_string(path_state state) noexcept {
    switch (state) {
    case path_state::running: return "running";
    case path_state::scheduled: return "scheduled";
    case path_state::waiting: return "waiting";
    case path_state::not_recorded: return "not recorded";
    }
    return "?";
}

report::profile to_profile(const critical_path& path) {
    report::profile_builder builder("critical_path", {{"elapsed", "nanoseconds"}});
    for (const auto& piece : path.pieces) {
        builder.add(stack_of(path, piece), piece.name, {piece.length().count()});
    }
    auto profile = builder.take();
    profile.duration = path.elapsed;
    if (path.is_cut_off) { profile.note = "the task began before what is recorded"; }
    return profile;
}

std::string critical_path_text(const critical_path& path, std::size_t most) {
    std::map<std::string, duration> sums;
    for (const auto& piece : path.pieces) {
        sums[line_of(piece)] += piece.length();
    }
    std::vector<std::pair<std::string, duration>> rows(sums.begin(), sums.end());
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });

    std::string text = "task " + std::to_string(path.task) + " (" + path.name + "), "
                       + (path.has_ended ? "ended after " : "alive for ")
                       + (path.is_cut_off ? "more than " : "") + format_duration(path.elapsed)
                       + '\n';
    duration others{};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i < most) {
            text += row(rows[i].second, path.elapsed, rows[i].first);
        } else {
            others += rows[i].second;
        }
    }
    if (rows.size() > most) {
        text += row(others, path.elapsed, std::to_string(rows.size() - most) + " others");
    }
    if (path.is_cut_off) {
        text += "What came before is not recorded: " + std::to_string(path.overwritten)
                + " older events were overwritten; give the flight_recorder more capacity, or "
                  "attach it earlier.\n";
    }
    return text;
}

}  // namespace coroscope::instrumentation
