// SPDX-License-Identifier: Apache-2.0
#include "exported_stacks.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace coroscope::report::detail {

namespace {

std::string base_name(const std::string& file) {
    return file.substr(file.rfind('/') + 1);
}

std::string place_of(const stack_frame& frame) {
    auto place = base_name(frame.file);
    if (frame.line != 0) { place += ':' + std::to_string(frame.line); }
    return place;
}

}  // namespace

std::int64_t add_amounts(std::int64_t a, std::int64_t b) noexcept {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    return a > largest - b ? largest : a + b;
}

exported_stacks::exported_stacks(const profile& profile, std::size_t value)
    : frames_(profile.frames) {
    if (value >= profile.values.size()) {
        throw std::invalid_argument("the profile has no value number " + std::to_string(value)
                                    + ", only " + std::to_string(profile.values.size())
                                    + "; count from 0, or ask find_value for a name");
    }
    for (std::size_t i = 0; i < profile.samples.size(); ++i) {
        const auto& sample = profile.samples[i];
        const auto amount = sample.values.at(value);
        if (amount <= 0) { continue; }
        exported_stack stack{sample.stack, amount, i};
        if (sample.truncated) { stack.frames.push_back(marker("[outer frames missing]")); }
        if (!sample.task.empty()) { stack.frames.push_back(marker("[task " + sample.task + "]")); }
        if (stack.frames.empty()) { stack.frames.push_back(marker("[no stack]")); }
        total_ = add_amounts(total_, amount);
        stacks_.push_back(std::move(stack));
    }
}

std::uint32_t exported_stacks::marker(const std::string& name) {
    const auto next = static_cast<std::uint32_t>(frames_.size());
    const auto [found, is_new] = markers_.try_emplace(name, next);
    if (is_new) { frames_.emplace_back().function = name; }
    return found->second;
}

std::string frame_name(const stack_frame& frame) {
    if (!frame.function.empty()) { return frame.function; }
    if (!frame.file.empty()) { return place_of(frame); }
    if (frame.address == 0) { return "??"; }
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, frame.address, 16).ptr;
    auto name = "0x" + std::string(digits, end);
    if (!frame.module.empty()) { name += " in " + base_name(frame.module); }
    return name;
}

std::string frame_name_with_line(const stack_frame& frame) {
    auto name = frame_name(frame);
    const bool is_await = frame.address == 0 && frame.line != 0;
    if (is_await && !frame.function.empty()) { name += " at " + place_of(frame); }
    return name;
}

std::string on_one_line(std::string text) {
    const auto is_control = [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    };
    std::replace_if(text.begin(), text.end(), is_control, ' ');
    return text;
}

}  // namespace coroscope::report::detail
