// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent_tree.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace coroscope::testkit::detail {

/// A step, by its agent and how many that one had taken before: the same in many executions.
struct step_key {
    agent_index agent = agent_tree::outside;
    std::uint32_t number = 0;
    friend bool operator==(const step_key&, const step_key&) = default;
};

/// Which shared data steps use, by what an earlier execution has shown: a guess, for strategies
/// that would rather know which steps conflict. Only what is reported with its bytes counts, and
/// only data that several agents used and one changed.
class learned_uses {
public:
    void begin();
    /// Whether it wants to be told what is used in this execution: in the first few, and now and
    /// then.
    [[nodiscard]] bool is_learning() const noexcept { return is_learning_; }
    void on_created(agent_index made, agent_index by);
    void on_step(agent_index runs);
    void on_use(const coroscope::detail::access& made);
    /// The execution was whole: it is learned from.
    void learn();

    /// How many things are known to be shared; 0: nobody reports any.
    [[nodiscard]] std::size_t things() const noexcept { return users_.size(); }
    /// The step that an agent takes next.
    [[nodiscard]] step_key next(agent_index of) const noexcept;
    [[nodiscard]] bool uses(step_key step, std::size_t thing) const noexcept;
    [[nodiscard]] bool do_conflict(step_key a, step_key b) const noexcept;
    /// Uses of a thing still to come, by an agent and by those whom it has still to create.
    [[nodiscard]] std::uint64_t left(agent_index of, std::size_t thing) const noexcept;

private:
    struct use {
        std::size_t thing;
        bool changes;
    };
    struct hash_of_step {
        std::size_t operator()(const step_key& s) const noexcept {
            return (std::size_t{s.agent} << 32U) ^ s.number;
        }
    };
    struct seen_use {
        const void* begin;
        step_key step;
        bool changes;
    };

    [[nodiscard]] bool is_created(agent_index agent) const noexcept;

    std::uint64_t execution_ = 0;
    bool is_learning_ = false;
    // Of this execution.
    std::vector<seen_use> seen_;
    std::vector<std::uint32_t> steps_;    ///< of each agent
    std::vector<std::uint64_t> created_;  ///< the last execution in which it was
    std::vector<agent_index> creators_;   ///< in any execution
    step_key current_;
    // Learned.
    std::unordered_map<step_key, std::vector<use>, hash_of_step> known_;
    std::vector<std::vector<step_key>> users_;  ///< of each thing
};

}  // namespace coroscope::testkit::detail
