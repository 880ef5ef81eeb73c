// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile_export.hpp>

#include "exported_stacks.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace coroscope::report {

namespace {

std::string collapsed_name(const stack_frame& frame) {
    auto name = detail::on_one_line(detail::frame_name_with_line(frame));
    std::replace(name.begin(), name.end(), ';', ':');
    return name;
}

}  // namespace

std::string collapsed_stacks(const profile& profile, std::size_t value) {
    const detail::exported_stacks exported(profile, value);
    std::map<std::string, std::int64_t> lines;  // stacks that differ in what is not shown are one
    for (const auto& stack : exported.stacks()) {
        std::string line;
        for (auto frame = stack.frames.rbegin(); frame != stack.frames.rend(); ++frame) {
            if (!line.empty()) { line += ';'; }
            line += collapsed_name(exported.frames()[*frame]);
        }
        auto& sum = lines[line];
        sum = detail::add_amounts(sum, stack.value);
    }
    std::string text;
    for (const auto& [line, sum] : lines) {
        text += line + ' ' + std::to_string(sum) + '\n';
    }
    return text;
}

std::vector<frame_share> frame_shares(const profile& profile, std::size_t value) {
    const detail::exported_stacks exported(profile, value);
    std::map<std::string, frame_share> shares;
    for (const auto& stack : exported.stacks()) {
        std::set<std::string> seen;  // a function that calls itself counts once
        for (const auto frame : stack.frames) {
            auto name = detail::on_one_line(detail::frame_name_with_line(exported.frames()[frame]));
            auto& share = shares[name];
            if (seen.empty()) { share.self = detail::add_amounts(share.self, stack.value); }
            if (seen.insert(std::move(name)).second) {
                share.total = detail::add_amounts(share.total, stack.value);
            }
        }
    }
    std::vector<frame_share> sorted;
    for (auto& [name, share] : shares) {
        sorted.push_back({name, share.self, share.total});
    }
    std::sort(sorted.begin(), sorted.end(), [](const frame_share& a, const frame_share& b) {
        return std::tie(b.self, b.total, a.name) < std::tie(a.self, a.total, b.name);
    });
    return sorted;
}

std::optional<std::size_t> find_value(const profile& profile, std::string_view name) {
    const auto found = std::find_if(profile.values.begin(), profile.values.end(),
                                    [name](const value_type& type) { return type.name == name; });
    if (found == profile.values.end()) { return std::nullopt; }
    return static_cast<std::size_t>(found - profile.values.begin());
}

}  // namespace coroscope::report
