// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace coroscope::instrumentation::detail {

struct clock_node;

/// For each slot, the latest time of it that comes before: a vector clock of which copies share
/// what is alike.
///
/// A tree of nodes with 16 places each, counted and never changed once they are shared, so that a
/// copy costs nothing and a spawned task begins with its creator's clock. What two clocks share is
/// skipped when they are joined.
/// **Thread safety**: none, also not of copies, since they share nodes; under one lock, any thread.
class race_clock {
public:
    static constexpr std::uint32_t most_slots = std::uint32_t{1} << 20U;

    race_clock() = default;
    race_clock(const race_clock& other) noexcept;
    race_clock(race_clock&& other) noexcept
        : root_(std::exchange(other.root_, nullptr)),
          levels_(std::exchange(other.levels_, 0)) {}
    race_clock& operator=(race_clock other) noexcept {
        std::swap(root_, other.root_);
        std::swap(levels_, other.levels_);
        return *this;
    }
    ~race_clock();

    /// 0: none.
    [[nodiscard]] std::uint32_t time_of(std::uint32_t slot) const noexcept;
    /// Takes over a later time; an earlier one changes nothing. `slot` is less than `most_slots`.
    void raise(std::uint32_t slot, std::uint32_t time);
    /// What comes before `other` comes before this as well. `known` is a clock that came before
    /// this one already: what `other` shares with it is not walked.
    void join(const race_clock& other, const race_clock& known);
    void join(const race_clock& other) { join(other, race_clock()); }
    [[nodiscard]] bool is_same(const race_clock& other) const noexcept {
        return root_ == other.root_ && levels_ == other.levels_;
    }
    /// Of the nodes of all clocks together, for tests of the bound.
    [[nodiscard]] static std::size_t nodes_alive() noexcept;

private:
    void grow_to(std::uint32_t levels);

    clock_node* root_ = nullptr;
    std::uint32_t levels_ = 0;  ///< 16^levels slots have a place
};

/// A clock that takes over others one after another: those of a hundred thousand tasks that are
/// awaited, say.
///
/// Mostly they have grown from one clock. The next then shares with the last what it does not share
/// with this one any more, so that only what is new is walked. Tree clocks (Mathur and others, "A
/// tree clock data structure for causal orderings in concurrent executions", 2022) get that by
/// keeping who told what.
class growing_clock {
public:
    growing_clock() = default;
    explicit growing_clock(const race_clock& begin) : clock_(begin), last_(begin) {}

    [[nodiscard]] const race_clock& get() const noexcept { return clock_; }
    void take(const race_clock& other) {
        clock_.join(other, last_);
        last_ = other;
    }
    void raise(std::uint32_t slot, std::uint32_t time) { clock_.raise(slot, time); }

private:
    race_clock clock_;
    race_clock last_;  ///< that it took over, or began with
};

}  // namespace coroscope::instrumentation::detail
