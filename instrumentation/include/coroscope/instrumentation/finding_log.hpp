// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation {

/// A bounded list of findings, each once, with a count of how often it came. When it is full, new
/// ones are counted and dropped: the first ones are the ones that lead to the others, as a rule.
///
/// **Thread safety**: all members, from any thread.
class finding_log {
public:
    explicit finding_log(std::size_t capacity);

    /// Copies, in the order of their first occurrence. One that came more often has an evidence
    /// item `seen` at its end: `3 times`.
    [[nodiscard]] std::vector<report::finding> findings() const;
    /// Occurrences of findings that are not in the list.
    [[nodiscard]] std::uint64_t dropped() const;

    /// Counts one more occurrence of the finding with this key: how often it came by now; nothing
    /// if it is not in the list. Keys mean something within this process only.
    [[nodiscard]] std::optional<std::uint64_t> count_again(std::uint64_t key);
    /// A finding that `count_again` did not know; false if there is no room, or if another thread
    /// was quicker: then it is counted.
    bool add(std::uint64_t key, report::finding made);
    /// It has happened, and was only predicted: `made` takes its place. False, and nothing is done,
    /// if there is no finding with this key that is predicted.
    bool confirm(std::uint64_t key, report::finding made);
    /// One that could not be made at all.
    void count_dropped() noexcept;

private:
    struct entry {
        report::finding made;
        std::uint64_t times = 1;
    };
    std::size_t capacity_;
    mutable std::mutex mutex_;
    std::vector<entry> entries_;
    std::unordered_map<std::uint64_t, std::size_t> places_;
    std::uint64_t dropped_ = 0;
};

}  // namespace coroscope::instrumentation
