// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

namespace coroscope::instrumentation {

/// Names of tasks as small numbers, which the tasks keep, so that a name is looked up once a task.
/// One thread adds; others may read the name of a label that was published to them.
class wait_names {
public:
    static constexpr std::uint32_t nobody = 1;  ///< the label of no name, or of one too many

    explicit wait_names(std::size_t most);

    /// The label of a name, a new one if there is room.
    [[nodiscard]] std::uint32_t label_of(std::string_view name) noexcept;
    /// Empty for `nobody`. Any thread.
    [[nodiscard]] std::string name_of(std::uint32_t label) const;
    /// All names that have a label. Any thread.
    [[nodiscard]] std::set<std::string> all() const;
    [[nodiscard]] std::size_t most() const noexcept { return most_; }

private:
    static constexpr std::uint32_t first = nobody + 1;

    std::size_t most_;
    std::unique_ptr<std::string[]> names_;  ///< never moved, and none is changed
    std::atomic<std::uint32_t> count_{0};
    std::unordered_map<std::string_view, std::uint32_t> labels_;
};

}  // namespace coroscope::instrumentation
