// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/profile.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

/// A profile in the formats of other people's viewers. All of them:
///
/// - show a sample's task as its outermost frame, `[task NAME]`, and `[outer frames missing]` where
///   the stack was cut off;
/// - leave out samples whose value is not above 0, as a difference of two profiles may hold, since
///   a viewer draws no width below 0;
/// - take any bytes as names: what would break the format is replaced.
///
/// `value` is a position in `profile::values`; another one throws `std::invalid_argument`.
/// **Thread safety**: functions without state.
///
/// One line a stack, `outermost;…;innermost 4000`, for flamegraph.pl and those who read its input.
/// In a name `;` becomes `:` and a control character a space. An await, which is a frame without
/// an address, shows its line.
[[nodiscard]] std::string collapsed_stacks(const profile& profile, std::size_t value);

/// A file for https://www.speedscope.app: one profile in it for each value, the last one shown.
[[nodiscard]] std::string speedscope_json(const profile& profile, const std::string& name);

/// A page with a flame graph that needs nothing else: no network, no other file. A click on a frame
/// zooms, a text typed marks what matches.
[[nodiscard]] std::string flame_graph_html(const profile& profile, std::size_t value,
                                           const std::string& title);

/// A file for `google-pprof FILE` (not Go's pprof), with the names in it, so that awaits have some
/// too and the program is not needed. `bytes` become a heap profile; the rest a CPU profile,
/// nanoseconds as so many periods (microseconds, where the profile has none), rounded; less than
/// half of one is not seen there. Addresses are made up.
[[nodiscard]] std::string pprof_file(const profile& profile, std::size_t value,
                                     const std::string& program);

/// A frame's part of a profile. Tasks and what is missing are frames too, as above.
struct frame_share {
    std::string name;        ///< the function; of an await, its line too
    std::int64_t self = 0;   ///< of stacks that it is the innermost frame of
    std::int64_t total = 0;  ///< of all stacks that it is in

    friend bool operator==(const frame_share&, const frame_share&) = default;
};

/// The parts of all frames, by name, the largest of their own first: for a table.
[[nodiscard]] std::vector<frame_share> frame_shares(const profile& profile, std::size_t value);

/// The position of the value with that name; nothing where the profile has none of it.
[[nodiscard]] std::optional<std::size_t> find_value(const profile& profile, std::string_view name);

}  // namespace coroscope::report
