// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/profile.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace coroscope::report::detail {

/// One line of an export: who, innermost first, as positions in `exported_stacks::frames`.
struct exported_stack {
    std::vector<std::uint32_t> frames;
    std::int64_t value = 0;  ///< above 0
    std::size_t sample = 0;  ///< position in the profile
};

/// What all exports are made from: a profile's frames and those that stand for tasks and for what
/// is missing, and its stacks with a value above 0.
class exported_stacks {
public:
    /// Throws `std::invalid_argument` if the profile has no such value.
    exported_stacks(const profile& profile, std::size_t value);

    [[nodiscard]] const std::vector<stack_frame>& frames() const noexcept { return frames_; }
    [[nodiscard]] const std::vector<exported_stack>& stacks() const noexcept { return stacks_; }
    [[nodiscard]] std::int64_t total() const noexcept { return total_; }  ///< at most the largest

private:
    [[nodiscard]] std::uint32_t marker(const std::string& name);

    std::vector<stack_frame> frames_;
    std::vector<exported_stack> stacks_;
    std::map<std::string, std::uint32_t> markers_;
    std::int64_t total_ = 0;
};

/// The sum of two amounts that are not negative; the largest number where it is beyond that.
[[nodiscard]] std::int64_t add_amounts(std::int64_t a, std::int64_t b) noexcept;

/// A name for people: the function, or else the place or the address; `??` where nothing is known.
[[nodiscard]] std::string frame_name(const stack_frame& frame);

/// The same with the line of an await, for formats that have no other place for it.
[[nodiscard]] std::string frame_name_with_line(const stack_frame& frame);

/// Control characters, line ends among them, as spaces.
[[nodiscard]] std::string on_one_line(std::string text);

}  // namespace coroscope::report::detail
