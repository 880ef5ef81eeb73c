// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/flight_recorder.hpp>

#include "flight_ring.hpp"

#include <coroscope/runtime/task_table.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation {

// Stamps are those of `step_clock`.

struct told_step {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    await_site from{};
    await_site to{};
};

/// The end of a wait.
struct told_wake {
    std::uint64_t stamp = 0;
    std::uint64_t by = 0;  ///< the task that did it; 0: none
    wait_kind kind = wait_kind::nothing;
};

/// What a recorder knows about one task, and the task table, if it is alive.
struct task_story {
    std::uint64_t id = 0;
    std::string name;  ///< as listings show it
    std::uint64_t parent = 0;
    await_site created_at{};
    std::optional<std::uint64_t> created;
    std::optional<std::uint64_t> ended;
    std::vector<told_step> steps;  ///< oldest first, as wakes
    std::vector<told_wake> wakes;
    wait_kind waits_for = wait_kind::nothing;  ///< now
    std::uint64_t holder = 0;                  ///< the task that has that now
    await_site site{};                         ///< where it waits now
};

/// A recorder's events by task.
class flight_history {
public:
    explicit flight_history(const flight_recorder& recorder);

    [[nodiscard]] const task_story* find(std::uint64_t id) const;
    /// The youngest of that name.
    [[nodiscard]] const task_story* find(std::string_view name) const;
    /// The callback that ran then; null: none.
    [[nodiscard]] const told_step* callback_at(std::uint64_t stamp) const;
    /// From then on every event is known.
    [[nodiscard]] std::uint64_t since() const noexcept { return since_; }
    [[nodiscard]] std::uint64_t now() const noexcept { return now_; }
    [[nodiscard]] std::uint64_t overwritten() const noexcept { return overwritten_; }

private:
    void add_events(const flight_ring& ring);
    void add(const flight_ring& ring, std::uint64_t number, const flight_event& e);
    void add_step(step_kind kind, std::uint64_t id, const told_step& step);
    void add_tasks_of_now(std::uint32_t loop_id);
    void add_running(task_story& story);
    [[nodiscard]] task_story& story_of(std::uint64_t id);

    std::unordered_map<std::uint64_t, task_story> stories_;
    std::vector<told_step> callbacks_;
    std::uint64_t since_ = 0;
    std::uint64_t now_ = 0;
    std::uint64_t overwritten_ = 0;
    std::uint64_t last_end_ = 0;  ///< of all steps
};

}  // namespace coroscope::instrumentation
