// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "search_strategy.hpp"

#include <optional>
#include <vector>

namespace coroscope::testkit::detail {

/// Tries everything, the default order first, then what differs from it as late as possible.
///
/// With a bound, only what differs from the default order at no more places than that: the delay
/// bounding of Emmi, Qadeer and Rakamaric, POPL 2011. A bound on preemptions, as in CHESS
/// (Musuvathi and Qadeer, PLDI 2007), would bound nothing: coroutines give way by themselves.
class depth_first final : public search_strategy {
public:
    /// Of `shards` searches with the same bound, the `shard`-th (from 0): together they try
    /// everything, and no two the same beyond their first few decisions.
    explicit depth_first(std::optional<std::size_t> most_deviations = {}, std::uint64_t shard = 0,
                         std::uint64_t shards = 1)
        : most_deviations_(most_deviations),
          shard_(shard),
          shards_(shards) {}

    [[nodiscard]] std::string name() const override;
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override {
        return next(ready.size());
    }
    [[nodiscard]] bool decide_fault() override { return next(2) != 0; }
    void end(const execution_summary& summary) override;
    [[nodiscard]] bool exhausted() const override { return exhausted_; }
    [[nodiscard]] bool is_complete() const override {
        return exhausted_ && !left_out_ && !was_cut_ && !diverged_;
    }

private:
    struct branch {
        std::size_t chosen;
        std::size_t count;
    };

    [[nodiscard]] std::size_t next(std::size_t count);
    void step_back();
    void skip_other_shards();

    std::optional<std::size_t> most_deviations_;
    std::uint64_t shard_;
    std::uint64_t shards_;
    std::vector<branch> path_;
    std::size_t depth_ = 0;       ///< in this execution
    std::size_t deviations_ = 0;  ///< of `path_`
    std::uint64_t subtree_ = 0;   ///< counts those below the first few decisions
    bool exhausted_ = false;
    bool left_out_ = false;
    bool was_cut_ = false;
    bool diverged_ = false;  ///< at a place seen before, another number could run
};

}  // namespace coroscope::testkit::detail
