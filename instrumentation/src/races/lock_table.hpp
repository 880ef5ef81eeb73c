// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lock_order.hpp"
#include "race_recorder.hpp"
#include "race_units.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Who holds which mutexes, and who waits for one: tells `lock_order` of requests, and notices when
/// those who wait do so in a circle.
class lock_table {
public:
    lock_table(race_recorder& recorder, race_units& units, race_log& log)
        : recorder_(recorder),
          units_(units),
          log_(log),
          order_(log) {}

    void note(const coroscope::detail::access& made);
    /// The lock is destroyed.
    void forget(const void* lock);
    void end_unit(std::uint64_t key) noexcept { waits_.erase(key); }

private:
    struct waiting {
        const void* lock = nullptr;
        record_pointer request;
    };
    void take(const coroscope::detail::access& made, const race_recorder::present& at);
    void give_back(const void* lock);
    void request(const coroscope::detail::access& made, const race_recorder::present& at,
                 bool waits);
    [[nodiscard]] bool still_waits(std::uint64_t key) const;
    void look_for_deadlock(std::uint64_t from);
    void report(const std::vector<std::uint64_t>& circle);

    race_recorder& recorder_;
    race_units& units_;
    race_log& log_;
    lock_order order_;
    std::uint64_t next_acquisition_ = 1;
    std::unordered_map<const void*, std::uint64_t> holders_;  ///< units
    std::unordered_map<std::uint64_t, waiting> waits_;        ///< of units; some were given up
};

}  // namespace coroscope::instrumentation::detail
