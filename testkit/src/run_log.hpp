// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace coroscope::testkit::detail {

/// What is kept of a test while it runs: which of its tasks are in the background, how many steps
/// there were, and a hash of what happened.
class run_log {
public:
    run_log() = default;
    run_log(const run_log&) = delete;
    run_log& operator=(const run_log&) = delete;
    virtual ~run_log() = default;

    void mark_background(std::uint64_t task_id) { background_.insert(task_id); }
    [[nodiscard]] bool is_background(std::uint64_t task_id) const noexcept {
        return !background_.empty() && background_.contains(task_id);
    }

    /// Counts steps anew, against another limit.
    virtual void restart_count(std::uint64_t most_steps) noexcept = 0;
    [[nodiscard]] virtual std::uint64_t hash() const noexcept = 0;
    [[nodiscard]] virtual std::uint64_t steps() const noexcept = 0;
    [[nodiscard]] virtual std::vector<std::string> slow_steps() const { return {}; }

protected:
    void forget_background() noexcept { background_.clear(); }
    void forget_background(std::uint64_t task_id) noexcept { background_.erase(task_id); }

private:
    std::unordered_set<std::uint64_t> background_;
};

}  // namespace coroscope::testkit::detail
