// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "search_strategy.hpp"

#include <memory>
#include <vector>

namespace coroscope::testkit::detail {

/// Several strategies in turn, each of which learns from its own executions only.
class portfolio final : public search_strategy {
public:
    explicit portfolio(std::vector<std::unique_ptr<search_strategy>> members)
        : members_(std::move(members)) {}

    /// The member that decided last.
    [[nodiscard]] std::string name() const override { return members_[turn_]->name(); }
    void begin(std::uint64_t seed) override {
        choose_member();
        members_[turn_]->begin(seed);
    }
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override {
        return members_[turn_]->decide(ready);
    }
    [[nodiscard]] bool decide_fault() override { return members_[turn_]->decide_fault(); }
    void on_created(agent_index made, agent_index by) override {
        members_[turn_]->on_created(made, by);
    }
    void on_step(const candidate& runs) override { members_[turn_]->on_step(runs); }
    [[nodiscard]] bool wants_uses() const override { return members_[turn_]->wants_uses(); }
    void on_use(const coroscope::detail::access& made) override { members_[turn_]->on_use(made); }
    void end(const execution_summary& summary) override;
    [[nodiscard]] bool exhausted() const override { return exhausted_; }
    [[nodiscard]] bool is_complete() const override { return complete_; }

private:
    void choose_member();

    std::vector<std::unique_ptr<search_strategy>> members_;
    std::size_t turn_ = 0;
    bool has_begun_ = false;
    bool exhausted_ = false;
    bool complete_ = false;
};

}  // namespace coroscope::testkit::detail
