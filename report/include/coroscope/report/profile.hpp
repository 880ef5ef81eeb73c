// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>
#include <coroscope/report/stack.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace coroscope::report {

/// What one column of a profile's numbers says.
struct value_type {
    std::string
        name;  ///< `samples`, `cpu`, `inuse_space`, `waiting` …: pprof's words where it has one
    std::string unit;  ///< `count`, `nanoseconds` or `bytes`

    friend bool operator==(const value_type&, const value_type&) = default;
};

/// Where something went: one stack, and how much of each value.
struct profile_sample {
    /// Positions in `profile::frames`, innermost first.
    std::vector<std::uint32_t> stack;
    std::vector<std::int64_t> values;  ///< one for each of `profile::values`
    std::string task;                  ///< the task's name; empty: none, or not told apart
    bool truncated = false;            ///< outer frames are missing

    friend bool operator==(const profile_sample&, const profile_sample&) = default;
};

/// Something that was counted by stack: CPU time, bytes, waiting. All profilers produce it, and all
/// exports are made from it. Frames are kept once, samples refer to them.
struct profile {
    std::string kind;                 ///< `cpu`, `heap`, `growth`, `wait` or `critical_path`
    std::vector<value_type> values;   ///< at least one
    std::vector<stack_frame> frames;  ///< each different
    std::vector<profile_sample> samples;
    std::chrono::nanoseconds duration{0};  ///< how long was watched; 0: not known
    /// Of sampling: how much of the first value that is not a count lies between two samples on
    /// average (ns of CPU time, bytes). 0 or 1: everything was counted.
    std::int64_t period = 0;
    std::uint64_t dropped = 0;  ///< occurrences that are in no sample, because of a limit
    std::string note;           ///< what a reader should know: what was not counted; may be empty

    friend bool operator==(const profile&, const profile&) = default;
};

/// Puts a profile together: keeps equal frames once and adds up equal stacks of the same task.
/// **Thread safety**: none.
class profile_builder {
public:
    profile_builder(std::string kind, std::vector<value_type> values);

    /// Adds `values`, one for each value type, to the sample with that stack and task.
    /// Throws `std::invalid_argument` for another number of values.
    void add(const stack& where, const std::string& task, const std::vector<std::int64_t>& values);

    /// Adds all samples of a profile with the same values. Throws likewise.
    void add(const profile& other);

    /// What was added so far, the largest samples (by the last value) first; then starts anew.
    [[nodiscard]] profile take();

private:
    struct key {
        std::vector<std::uint32_t> stack;
        std::string task;
        bool truncated = false;
        auto operator<=>(const key&) const = default;
    };
    struct frame_order {
        bool operator()(const stack_frame& a, const stack_frame& b) const;
    };

    [[nodiscard]] std::uint32_t position_of(const stack_frame& frame);

    profile profile_;
    std::map<stack_frame, std::uint32_t, frame_order> positions_;
    std::map<key, std::vector<std::int64_t>> sums_;
};

/// The sum of one value (a position in `profile::values`) over all samples.
[[nodiscard]] std::int64_t total(const profile& profile, std::size_t value);

/// Keeps the first `most` samples, of a profile from a builder the largest; the others become one
/// more, at a stack of one frame `(other)`, so that totals are what they were. Returns how many
/// were put together.
std::uint64_t limit_samples(profile& profile, std::size_t most);

[[nodiscard]] nlohmann::json to_json(const profile& profile);
/// Checks that stacks and values fit the profile's frames and value types.
[[nodiscard]] profile read_profile(const json_view& json);

}  // namespace coroscope::report
