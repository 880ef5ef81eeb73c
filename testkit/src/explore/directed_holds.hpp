// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "replay_strategy.hpp"
#include "search_strategy.hpp"

#include <coroscope/testkit/detail/directed_candidate.hpp>

#include <cstddef>
#include <optional>
#include <vector>

namespace coroscope::testkit::detail {

/// Runs the default order, asks for what could go wrong in others, and steers into each of these
/// once, by holds.
class directed_holds final : public search_strategy {
public:
    explicit directed_holds(candidate_source source) : source_(std::move(source)) {}

    [[nodiscard]] std::string name() const override;
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override {
        return current_->decide(ready);
    }
    [[nodiscard]] bool decide_fault() override { return false; }
    void on_step(const candidate& runs) override { current_->on_step(runs); }
    void on_recorded(const path_of_task& paths) override;
    void end(const execution_summary& summary) override;
    [[nodiscard]] bool exhausted() const override {
        return is_recorded_ && turn_ >= candidates_.size();
    }
    [[nodiscard]] std::optional<schedule> followed() const override;

private:
    candidate_source source_;
    std::vector<schedule> candidates_;
    std::size_t turn_ = 0;  ///< 0: the default order; from 1, a candidate
    bool is_recorded_ = false;
    std::optional<replay_strategy> current_;
};

}  // namespace coroscope::testkit::detail
