// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "random_source.hpp"
#include "search_strategy.hpp"

namespace coroscope::testkit::detail {

/// First in, first out, and no fault.
class default_order final : public search_strategy {
public:
    [[nodiscard]] std::string name() const override { return "first in, first out"; }
    void begin(std::uint64_t) override {}
    [[nodiscard]] std::size_t decide(std::span<const candidate>) override { return 0; }
    [[nodiscard]] bool decide_fault() override { return false; }
    void end(const execution_summary&) override { exhausted_ = true; }
    [[nodiscard]] bool exhausted() const override { return exhausted_; }

private:
    bool exhausted_ = false;
};

/// A base of strategies that draw: their random numbers, and how they decide on faults.
class random_strategy : public search_strategy {
public:
    void begin(std::uint64_t seed) override { random_ = random_source(seed); }
    /// One in eight: a program that reaches many fault points should get past most of them.
    [[nodiscard]] bool decide_fault() override { return random_.below(8) == 0; }

protected:
    [[nodiscard]] random_source& random() noexcept { return random_; }

private:
    random_source random_;
};

/// Each of those that could run is as likely as the others, at each step. Prefers interleavings in
/// which short tasks end early; see `uniform_walk`.
class random_walk final : public random_strategy {
public:
    [[nodiscard]] std::string name() const override { return "random walk"; }
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override {
        return random().below(ready.size());
    }
};

}  // namespace coroscope::testkit::detail
