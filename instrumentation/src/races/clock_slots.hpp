// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_clock.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace coroscope::instrumentation::detail {

/// The places of units in vector clocks: a slot each, and its present time. A slot is used again
/// when its unit has ended and either nothing is remembered of it or the new one comes after it.
class clock_slots {
public:
    static constexpr std::uint32_t none = race_clock::most_slots;

    /// For a unit before which comes what `clock` says. `none`: all are taken.
    [[nodiscard]] std::uint32_t take(const race_clock& clock);
    void give_back(std::uint32_t slot);

    [[nodiscard]] std::uint32_t time(std::uint32_t slot) const noexcept {
        return slots_[slot].time;
    }
    void advance(std::uint32_t slot) noexcept { ++slots_[slot].time; }
    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }

private:
    friend class slot_memory;
    struct slot_state {
        std::uint32_t time = 1;
        std::uint32_t records = 0;  ///< that are remembered
    };
    std::vector<slot_state> slots_;
    std::deque<std::uint32_t> ended_;
};

/// Something remembered of a slot. The slots outlive it.
class slot_memory {
public:
    slot_memory() = default;
    slot_memory(clock_slots& in, std::uint32_t slot) noexcept : in_(&in), slot_(slot) { add(); }
    slot_memory(const slot_memory& other) noexcept : in_(other.in_), slot_(other.slot_) { add(); }
    slot_memory& operator=(slot_memory other) noexcept {
        std::swap(in_, other.in_);
        std::swap(slot_, other.slot_);
        return *this;
    }
    ~slot_memory() {
        if (in_ != nullptr) { --in_->slots_[slot_].records; }
    }
    [[nodiscard]] std::uint32_t slot() const noexcept { return slot_; }

private:
    void add() noexcept {
        if (in_ != nullptr) { ++in_->slots_[slot_].records; }
    }
    clock_slots* in_ = nullptr;
    std::uint32_t slot_ = 0;
};

}  // namespace coroscope::instrumentation::detail
