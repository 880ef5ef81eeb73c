// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace coroscope::report {

namespace {

// The first frames that are met come first; those that no sample has any more are left out.
void drop_unused_frames(profile& profile) {
    constexpr auto unused = std::numeric_limits<std::uint32_t>::max();
    std::vector<std::uint32_t> places(profile.frames.size(), unused);
    std::vector<stack_frame> kept;
    for (auto& sample : profile.samples) {
        for (auto& frame : sample.stack) {
            auto& place = places[frame];
            if (place == unused) {
                place = static_cast<std::uint32_t>(kept.size());
                kept.push_back(std::move(profile.frames[frame]));
            }
            frame = place;
        }
    }
    profile.frames = std::move(kept);
}

profile_sample read_sample(const json_view& json, const profile& into) {
    profile_sample sample;
    for (const auto& element : json.at("stack").elements()) {
        const auto position = element.count32();
        if (position >= into.frames.size()) {
            element.fail(
                "a position in \"frames\", less than " + std::to_string(into.frames.size()),
                std::to_string(position));
        }
        sample.stack.push_back(position);
    }
    const auto values = json.at("values");
    for (const auto& element : values.elements()) {
        sample.values.push_back(element.amount());
    }
    if (sample.values.size() != into.values.size()) {
        values.fail(std::to_string(into.values.size()) + " numbers, as the profile has values",
                    std::to_string(sample.values.size()));
    }
    if (const auto task = json.find("task")) { sample.task = task->text(); }
    if (const auto truncated = json.find("truncated")) { sample.truncated = truncated->boolean(); }
    return sample;
}

nlohmann::json to_json(const profile_sample& sample) {
    nlohmann::json json{{"stack", sample.stack}, {"values", sample.values}};
    if (!sample.task.empty()) { json["task"] = sample.task; }
    if (sample.truncated) { json["truncated"] = true; }
    return json;
}

}  // namespace

bool profile_builder::frame_order::operator()(const stack_frame& a, const stack_frame& b) const {
    const auto fields = [](const stack_frame& f) {
        return std::tie(f.address, f.line, f.inlined, f.function, f.file, f.module);
    };
    return fields(a) < fields(b);
}

profile_builder::profile_builder(std::string kind, std::vector<value_type> values) {
    profile_.kind = std::move(kind);
    profile_.values = std::move(values);
}

std::uint32_t profile_builder::position_of(const stack_frame& frame) {
    const auto next = static_cast<std::uint32_t>(profile_.frames.size());
    const auto [found, is_new] = positions_.try_emplace(frame, next);
    if (is_new) { profile_.frames.push_back(frame); }
    return found->second;
}

void profile_builder::add(const stack& where, const std::string& task,
                          const std::vector<std::int64_t>& values) {
    if (values.size() != profile_.values.size()) {
        throw std::invalid_argument("profile_builder::add: " + std::to_string(values.size())
                                    + " values for a profile of "
                                    + std::to_string(profile_.values.size())
                                    + "; give one for each of the builder's value types");
    }
    key place{{}, task, where.truncated};
    place.stack.reserve(where.frames.size());
    for (const auto& frame : where.frames) {
        place.stack.push_back(position_of(frame));
    }
    const auto [found, is_new] = sums_.try_emplace(std::move(place), values);
    if (!is_new) {
        std::transform(values.begin(), values.end(), found->second.begin(), found->second.begin(),
                       std::plus<>());
    }
}

void profile_builder::add(const profile& other) {
    for (const auto& sample : other.samples) {
        stack where;
        where.truncated = sample.truncated;
        for (const auto frame : sample.stack) {
            where.frames.push_back(other.frames.at(frame));
        }
        add(where, sample.task, sample.values);
    }
}

profile profile_builder::take() {
    for (auto& [place, values] : sums_) {
        profile_.samples.push_back({place.stack, std::move(values), place.task, place.truncated});
    }
    std::sort(profile_.samples.begin(), profile_.samples.end(),
              [](const profile_sample& a, const profile_sample& b) {
                  return std::tie(b.values.back(), a.stack, a.task, a.truncated)
                         < std::tie(a.values.back(), b.stack, b.task, b.truncated);
              });
    sums_.clear();
    positions_.clear();
    profile empty;
    empty.kind = profile_.kind;
    empty.values = profile_.values;
    return std::exchange(profile_, std::move(empty));
}

std::int64_t total(const profile& profile, std::size_t value) {
    return std::accumulate(profile.samples.begin(), profile.samples.end(), std::int64_t{0},
                           [value](std::int64_t sum, const profile_sample& sample) {
                               return sum + sample.values.at(value);
                           });
}

std::uint64_t limit_samples(profile& profile, std::size_t most) {
    if (profile.samples.size() <= most) { return 0; }
    const auto omitted = profile.samples.size() - most;
    profile_sample other;
    other.values.resize(profile.values.size());
    for (auto at = most; at < profile.samples.size(); ++at) {
        const auto& values = profile.samples[at].values;
        std::transform(values.begin(), values.end(), other.values.begin(), other.values.begin(),
                       std::plus<>());
    }
    profile.samples.resize(most);
    drop_unused_frames(profile);
    other.stack.push_back(static_cast<std::uint32_t>(profile.frames.size()));
    profile.frames.emplace_back().function = "(other)";
    profile.samples.push_back(std::move(other));
    return omitted;
}

nlohmann::json to_json(const profile& profile) {
    auto values = nlohmann::json::array();
    for (const auto& type : profile.values) {
        values.push_back({{"name", type.name}, {"unit", type.unit}});
    }
    auto frames = nlohmann::json::array();
    for (const auto& frame : profile.frames) {
        frames.push_back(to_json(frame));
    }
    auto samples = nlohmann::json::array();
    for (const auto& sample : profile.samples) {
        samples.push_back(to_json(sample));
    }
    nlohmann::json json{{"kind", profile.kind},
                        {"values", std::move(values)},
                        {"frames", std::move(frames)},
                        {"samples", std::move(samples)},
                        {"duration_ns", profile.duration.count()},
                        {"period", profile.period},
                        {"dropped", profile.dropped}};
    if (!profile.note.empty()) { json["note"] = profile.note; }
    return json;
}

profile read_profile(const json_view& json) {
    profile read;
    read.kind = json.at("kind").text();
    const auto values = json.at("values");
    for (const auto& type : values.elements()) {
        read.values.push_back({type.at("name").text(), type.at("unit").text()});
    }
    if (read.values.empty()) { values.fail("at least one value", "an empty array"); }
    for (const auto& frame : json.at("frames").elements()) {
        read.frames.push_back(read_stack_frame(frame));
    }
    for (const auto& sample : json.at("samples").elements()) {
        read.samples.push_back(read_sample(sample, read));
    }
    read.duration = json.at("duration_ns").nanoseconds();
    read.period = json.at("period").nanoseconds().count();
    read.dropped = json.at("dropped").count();
    if (const auto note = json.find("note")) { read.note = note->text(); }
    return read;
}

}  // namespace coroscope::report
