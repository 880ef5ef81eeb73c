// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile_export.hpp>

#include "exported_stacks.hpp"

#include <nlohmann/json.hpp>

#include <map>

namespace coroscope::report {

namespace {

// The frames of all values in one list, since each value has markers of its own.
class shared_frames {
public:
    std::uint32_t position_of(const stack_frame& frame) {
        auto json = nlohmann::json{{"name", detail::frame_name(frame)}};
        if (!frame.file.empty()) { json["file"] = frame.file; }
        if (frame.line != 0) { json["line"] = frame.line; }
        const auto next = static_cast<std::uint32_t>(frames_.size());
        const auto [found, is_new] = positions_.try_emplace(json_line(json), next);
        if (is_new) { frames_.push_back(std::move(json)); }
        return found->second;
    }

    [[nodiscard]] const nlohmann::json& json() const { return frames_; }

private:
    nlohmann::json frames_ = nlohmann::json::array();
    std::map<std::string, std::uint32_t> positions_;
};

std::string speedscope_unit(const std::string& unit) {
    return unit == "nanoseconds" || unit == "bytes" ? unit : "none";
}

nlohmann::json profile_of(const profile& profile, std::size_t value, shared_frames& frames) {
    const detail::exported_stacks exported(profile, value);
    std::vector<std::uint32_t> positions;
    for (const auto& frame : exported.frames()) {
        positions.push_back(frames.position_of(frame));
    }
    auto samples = nlohmann::json::array();
    auto weights = nlohmann::json::array();
    for (const auto& stack : exported.stacks()) {
        auto& sample = samples.emplace_back(nlohmann::json::array());
        for (auto frame = stack.frames.rbegin(); frame != stack.frames.rend(); ++frame) {
            sample.push_back(positions[*frame]);
        }
        weights.push_back(stack.value);
    }
    const auto& type = profile.values[value];
    return {{"type", "sampled"},
            {"name", type.name},
            {"unit", speedscope_unit(type.unit)},
            {"startValue", 0},
            {"endValue", exported.total()},
            {"samples", std::move(samples)},
            {"weights", std::move(weights)}};
}

}  // namespace

std::string speedscope_json(const profile& profile, const std::string& name) {
    shared_frames frames;
    auto profiles = nlohmann::json::array();
    for (std::size_t value = 0; value < profile.values.size(); ++value) {
        profiles.push_back(profile_of(profile, value, frames));
    }
    const auto shown = profiles.empty() ? 0 : profiles.size() - 1;
    return json_line({{"$schema", "https://www.speedscope.app/file-format-schema.json"},
                      {"exporter", "coroscope"},
                      {"name", name},
                      {"activeProfileIndex", shown},
                      {"shared", {{"frames", frames.json()}}},
                      {"profiles", std::move(profiles)}})
           + '\n';
}

}  // namespace coroscope::report
