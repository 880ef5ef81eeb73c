// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::testkit::detail {

/// A task or a callback, by who made it: a place in an `agent_tree`.
using agent_index = std::uint32_t;

/// Who made whom, in all executions of one exploration. Ids of tasks depend on the schedule; a
/// *spawn path* does not: the body's task is `0`, the third task that it creates `0.2`, the first
/// callback that this one posts (or arms a timer with) `0.2c0`. What comes from outside of the loop
/// is `c0`, `c1` and so on.
///
/// **Thread safety**: one thread.
class agent_tree {
public:
    static constexpr agent_index outside = 0;  ///< who creates the body's task
    static constexpr agent_index body = 1;

    agent_tree();

    /// Nobody has made anything yet.
    void restart() noexcept { ++execution_; }
    /// The next that `by` makes in this execution.
    agent_index add(agent_index by, bool is_task);

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] agent_index creator(agent_index of) const noexcept { return nodes_[of].by; }
    [[nodiscard]] bool is_task(agent_index of) const noexcept { return nodes_[of].is_task; }
    /// A hash of the path, the same in each process and build.
    [[nodiscard]] std::uint64_t hash(agent_index of) const noexcept { return nodes_[of].hash; }
    [[nodiscard]] std::string path(agent_index of) const;

private:
    struct node {
        agent_index by = outside;
        std::uint32_t number = 0;  ///< among the tasks, or the callbacks, of `by`
        bool is_task = true;
        std::uint64_t hash = 0;
        std::uint64_t execution = 0;  ///< the last one in which it made anything
        std::uint32_t tasks = 0;      ///< made in that execution
        std::uint32_t callbacks = 0;
        std::vector<agent_index> made_tasks;  ///< in any execution
        std::vector<agent_index> made_callbacks;
    };

    agent_index made(agent_index by, bool is_task, std::uint32_t number);

    std::vector<node> nodes_;
    std::uint64_t execution_ = 1;
};

/// `task 0.2` or `callback 0.2c0`.
[[nodiscard]] std::string describe_agent(const agent_tree& agents, agent_index which);

/// The hash of the agent with this spawn path; empty if `text` is none.
[[nodiscard]] std::optional<std::uint64_t> hash_of_path(std::string_view text) noexcept;

}  // namespace coroscope::testkit::detail
