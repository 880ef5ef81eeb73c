// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "explored_environment.hpp"
#include "search_strategy.hpp"

#include <coroscope/runtime/clock.hpp>

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace coroscope::testkit::detail {

/// Lets one operation after the other go on for as long as it can, in another order each time,
/// until all orders were tried.
///
/// What runs next is, in this order: a callback; the operation that ran last; one that has begun,
/// or a task that is none (the body, background tasks); a task that is about to begin one. While an
/// operation that has begun sleeps, or waits for another thread or for I/O, no other begins: time
/// passes instead. Wherever there is a choice, each is made in turn.
class serial_walk final : public search_strategy {
public:
    explicit serial_walk(explored_environment& in) : environment_(in) {}

    [[nodiscard]] std::string name() const override { return "serial runs"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] bool holds_all(std::span<const candidate> ready) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    [[nodiscard]] bool decide_fault() override { return next(2) == 1; }
    void on_step(const candidate& runs) override;
    void end(const execution_summary& summary) override;
    [[nodiscard]] bool exhausted() const override { return exhausted_; }

    /// Why the runs so far do not show what may come of serial runs; empty: they do.
    [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

private:
    struct branch {
        std::size_t chosen;
        std::size_t count;
    };

    enum class role : std::uint8_t {
        free,       ///< no operation: what it does is between others'
        before,     ///< it may begin an operation when it runs
        operation,  ///< it is in the middle of one
    };

    [[nodiscard]] role role_of(agent_index which) const;
    [[nodiscard]] std::optional<agent_index> find_holder() const;
    void note_other_timers();
    [[nodiscard]] std::size_t next(std::size_t count);
    void step_back();

    explored_environment& environment_;
    std::vector<branch> path_;
    std::size_t depth_ = 0;
    bool exhausted_ = false;
    std::string trouble_;
    std::size_t scoped_agents_ = 0;
    // Of one execution.
    std::unordered_set<agent_index> begun_;
    agent_index current_ = agent_tree::outside;  ///< the task that ran last
    std::uint64_t turn_ = 0;                     ///< its steps in a row
    agent_index holder_ = agent_tree::outside;   ///< for whom others are held
    std::uint64_t holder_steps_ = 0;
    std::optional<time_point>
        other_deadline_;  ///< the first of a timer that is no operation's sleep
};

}  // namespace coroscope::testkit::detail
