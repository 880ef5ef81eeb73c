// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hold_keeper.hpp"
#include "schedule.hpp"
#include "search_strategy.hpp"

#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// Does what a schedule says, and otherwise first in, first out. Where that is not possible, since
/// the program is another than the one that the schedule was found with, it goes on first in, first
/// out, and says so.
class replay_strategy : public search_strategy {
public:
    explicit replay_strategy(schedule to_follow);

    [[nodiscard]] std::string name() const override { return "replay"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    [[nodiscard]] bool decide_fault() override;
    void on_step(const candidate& runs) override;
    void end(const execution_summary& summary) override;
    [[nodiscard]] bool exhausted() const override { return exhausted_; }

    /// `schedule no longer valid at step 7: ...`; empty: it was followed to its end.
    [[nodiscard]] const std::string& divergence() const noexcept { return divergence_; }

private:
    void diverge(std::uint64_t step, const std::string& why);
    [[nodiscard]] std::size_t first_not_held(std::span<const candidate> ready);

    schedule schedule_;
    std::vector<std::uint64_t> hashes_;  ///< of the agents of its deviations
    hold_keeper holds_;
    std::size_t next_deviation_ = 0;
    std::size_t next_fault_ = 0;
    std::uint64_t step_ = 0;
    std::uint32_t faults_in_step_ = 0;
    std::string divergence_;
    bool exhausted_ = false;
};

}  // namespace coroscope::testkit::detail
