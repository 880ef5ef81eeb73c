// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reversal.hpp"
#include "schedule.hpp"
#include "search_strategy.hpp"

#include <coroscope/instrumentation/races/race_candidate.hpp>
#include <coroscope/runtime/creation_origin.hpp>
#include <coroscope/runtime/schedule_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// First in, first out, once, and keeps in mind who used what where: the steps that could have come
/// the other way round.
class recorded_run final : public search_strategy {
public:
    /// An order to try.
    struct other_order {
        hold steered;
        instrumentation::failed_reversal what;  ///< if it fails
    };

    explicit recorded_run(const reversal_limits& most) : most_(most) {}

    [[nodiscard]] std::string name() const override { return "first in, first out"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate>) override { return 0; }
    [[nodiscard]] bool decide_fault() override { return false; }
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
        creation_origin callers;
    };

    struct used_memory {
        std::size_t step;
        std::size_t use;
        instrumentation::detail::memory_place place;
    };

    void note_who();
    void note_place(std::size_t use);
    void note_memory(std::size_t use, const void* address);
    [[nodiscard]] creation_origin callers_at(std::size_t step, std::size_t use) const;
    [[nodiscard]] instrumentation::detail::memory_place memory_at(std::size_t step,
                                                                  std::size_t use) const;
    [[nodiscard]] instrumentation::seen_use tell(std::size_t step, std::size_t use) const;
    [[nodiscard]] other_order describe(const reversal& r) const;

    reversal_limits most_;
    agent_index running_ = agent_tree::outside;
    await_site posted_at_{};  ///< if it is a callback
    std::vector<agent_facts> agents_seen_;
    std::vector<coroutine_place> places_;
    std::vector<used_memory> memory_;  ///< of data
    std::vector<other_order> orders_;
};

}  // namespace coroscope::testkit::detail
