// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "replay_strategy.hpp"
#include "reversal.hpp"
#include "schedule.hpp"
#include "search_strategy.hpp"

#include <coroscope/instrumentation/races/race_candidate.hpp>
#include <coroscope/runtime/creation_origin.hpp>
#include <coroscope/runtime/schedule_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace coroscope::testkit::detail {

/// In the order of a schedule, and else first in, first out, once, and keeps in mind who used what
/// where: the steps that could have come the other way round.
class recorded_run final : public replay_strategy {
public:
    /// An order to try.
    struct other_order {
        hold steered;
        instrumentation::failed_reversal what;  ///< if it fails
        std::uint64_t site = 0;                 ///< see `reversal`
    };

    /// Of `before`, where there is one, it leaves out all pairs of steps that came in the same
    /// order there and did the same: only what the schedule has brought about is new. It must
    /// outlive this one.
    explicit recorded_run(const reversal_limits& most, schedule in_order = {},
                          const recorded_run* before = nullptr)
        : replay_strategy(std::move(in_order)),
          most_(most),
          before_(before) {}

    void begin(std::uint64_t seed) override;
    void on_step(const candidate& runs) override;
    [[nodiscard]] bool wants_order() const override { return true; }
    /// It settles what it looks at.
    [[nodiscard]] bool wants_settled_order() const override { return false; }
    [[nodiscard]] bool wants_uses() const override { return true; }
    void on_use(const coroscope::detail::access& made) override;
    void end(const execution_summary& summary) override;

    /// The likeliest to fail first.
    [[nodiscard]] const std::vector<other_order>& orders() const noexcept { return orders_; }

private:
    struct agent_facts {
        schedule_policy::agent who;
        std::string name;
        creation_origin created;
        bool is_known = false;
    };
    /// From this use of the step on, and until the next entry.
    struct coroutine_place {
        std::size_t step;
        std::size_t use;
        const void* frame;
        await_site awaited;
        creation_origin callers;
    };

    struct used_memory {
        std::size_t step;
        std::size_t use;
        instrumentation::detail::memory_place place;
    };

    using step_name = std::uint64_t;  ///< the same for an agent's n-th step in each execution
    static constexpr std::size_t nowhere = ~std::size_t{0};
    struct known_step {
        std::size_t position;
        std::uint64_t deeds;  ///< where it used something
    };

    [[nodiscard]] step_name name_of(std::size_t step) const;
    /// Of each step of this execution that did the same there.
    [[nodiscard]] std::vector<std::size_t> positions_in(const recorded_run& other) const;
    void note_who();
    void note_place(std::size_t use);
    void note_memory(std::size_t use, const void* address);
    /// Null: nobody knows.
    [[nodiscard]] const coroutine_place* place_at(std::size_t step, std::size_t use) const;
    [[nodiscard]] instrumentation::detail::memory_place memory_at(std::size_t step,
                                                                  std::size_t use) const;
    [[nodiscard]] instrumentation::seen_use tell(std::size_t step, std::size_t use) const;
    [[nodiscard]] other_order describe(const reversal& r) const;

    reversal_limits most_;
    const recorded_run* before_;
    std::unordered_map<step_name, known_step> steps_;
    agent_index running_ = agent_tree::outside;
    await_site posted_at_{};  ///< if it is a callback
    std::vector<agent_facts> agents_seen_;
    std::vector<coroutine_place> places_;
    std::vector<used_memory> memory_;  ///< of data
    std::vector<other_order> orders_;
};

}  // namespace coroscope::testkit::detail
