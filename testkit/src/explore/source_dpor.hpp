// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution_order.hpp"
#include "search_strategy.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace coroscope::testkit::detail {

/// Tries one order of each class of orders that differ in nothing that matters: dynamic partial
/// order reduction. After each execution it looks for races: steps that depend on each other, and
/// could have come the other way round. For each, whoever can begin that other order is put down
/// at the place where the earlier of the two ran, unless somebody is there already who can begin
/// it. Agents whose step was tried in full at a place *sleep* there until a step is taken that
/// depends on theirs: to run them before that would be one of the orders that were tried.
///
/// Source sets and sleep sets of Abdulla, Aronis, Jonsson and Sagonas, "Optimal Dynamic Partial
/// Order Reduction", POPL 2014. The rest of the order that a race asks for is followed as far as
/// it goes, so that few executions end among sleepers alone, which would have tried nothing new.
class source_dpor final : public search_strategy {
public:
    [[nodiscard]] std::string name() const override { return "partial order reduction"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    [[nodiscard]] bool decide_fault() override;
    void on_created(agent_index made, agent_index by) override;
    void on_step(const candidate& runs) override;
    void end(const execution_summary& summary) override;
    [[nodiscard]] bool wants_order() const override { return true; }
    [[nodiscard]] bool tried_nothing_new() const override { return is_blocked_; }
    [[nodiscard]] std::string complaint() const override { return complaint_; }
    [[nodiscard]] bool exhausted() const override { return exhausted_; }
    [[nodiscard]] bool is_complete() const override {
        return exhausted_ && !was_cut_ && !diverged_ && !has_outsiders_ && complaint_.empty();
    }

private:
    /// Its next step was tried, from a place on which all that follows has in common.
    struct sleeper {
        agent_index agent;
        std::uint32_t base;  ///< see `may_be_same`
        std::shared_ptr<const std::vector<thing_use>> uses;
        bool is_global;  ///< any step wakes it
    };
    using agent_list = std::vector<agent_index>;
    /// A step, and what could be done in its place.
    struct place {
        agent_list ready;
        agent_list planned;                                     ///< to be tried, or tried
        std::vector<std::pair<agent_index, agent_list>> plans;  ///< whom to go on with
        std::vector<sleeper> sleeping;
        agent_index runs = agent_tree::outside;
        std::vector<bool> faults;
        std::vector<thing_use> uses;  ///< of the step, over all that its fault points may do
        bool is_global = false;
    };

    [[nodiscard]] static bool wakes(const ordered_step& taken, const sleeper& s);
    void enter(place& at);
    [[nodiscard]] agent_index choose(const place& at);
    [[nodiscard]] std::vector<sleeper> still_asleep() const;
    void keep_uses();
    void plan_reversals();
    void plan_reversal(const execution_order::race& r);
    void plan_vanished();
    void plan(place& at, agent_index agent, agent_list then);
    void look_for_unseen();
    [[nodiscard]] bool step_back();
    [[nodiscard]] bool next_agent(place& at);

    std::vector<place> path_;
    std::size_t depth_ = 0;    ///< in this execution
    std::size_t changed_ = 0;  ///< the first place that differs from the last execution
    agent_list ready_;         ///< of the step to come, if it is a decision
    agent_list plan_;          ///< who should come next, from behind
    bool is_blocked_ = false;  ///< from here on nothing is new
    std::uint64_t fault_ = 0;
    std::unordered_map<std::uint64_t, std::uint64_t> known_;  ///< what steps did, by their event
    std::string complaint_;
    bool exhausted_ = false;
    bool was_cut_ = false;
    bool diverged_ = false;
    bool has_outsiders_ = false;  ///< something came in from outside of the loop
};

}  // namespace coroscope::testkit::detail
