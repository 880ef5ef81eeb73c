// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lock_order.hpp"
#include "race_recorder.hpp"
#include "race_units.hpp"

#include <coroscope/instrumentation/await_graph.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Who holds which locks, and who waits for one: tells `lock_order` of requests, and notices when
/// those who wait do so in a circle, and who waits for itself.
///
/// A semaphore with one permit is a lock as long as whoever has the permit gives it back; from the
/// first time on that another one does, it is a signal, and orders as other semaphores do.
class lock_table {
public:
    lock_table(race_recorder& recorder, race_units& units, race_log& log)
        : recorder_(recorder),
          units_(units),
          log_(log),
          order_(log) {}

    /// False: it is not used as a lock.
    [[nodiscard]] bool note(const coroscope::detail::access& made);
    /// A permit that was a lock's was just given back: whoever is woken by that is not ordered.
    [[nodiscard]] bool passes_permit() const noexcept { return passes_permit_; }
    /// The lock is destroyed.
    void forget(const void* lock);
    void end_unit(std::uint64_t key) noexcept { waits_.erase(key); }
    /// Nothing can happen any more: whoever waits in a circle does so for ever.
    void note_hang();

private:
    struct waiting {
        held_lock lock;  ///< what it is called, and which it is
        record_pointer request;
    };
    void end_lock(const void* object);
    [[nodiscard]] bool is_signal(const coroscope::detail::access& made,
                                 const race_recorder::present& at);
    void take(const coroscope::detail::access& made, const race_recorder::present& at);
    void give_back(const void* lock);
    void request(const coroscope::detail::access& made, const race_recorder::present& at,
                 bool waits);
    void refuse(const coroscope::detail::access& made, const race_recorder::present& at);
    [[nodiscard]] bool still_waits(std::uint64_t key) const;
    void look_for_lender(const held_lock& wanted, const access_record& by);
    /// In which the way from there ends; empty: it ends with one who does not wait.
    [[nodiscard]] std::vector<std::uint64_t> circle_from(std::uint64_t key) const;
    void report(const std::vector<std::uint64_t>& circle, report::verdict sure);
    [[nodiscard]] awaiting_task describe(const held_lock& wanted, const access_record& by) const;

    race_recorder& recorder_;
    race_units& units_;
    race_log& log_;
    lock_order order_;
    bool passes_permit_ = false;
    std::uint64_t next_acquisition_ = 1;
    std::unordered_map<const void*, std::uint64_t> holders_;  ///< units
    std::unordered_map<std::uint64_t, waiting> waits_;        ///< of units; some were given up
    std::unordered_set<const void*> signals_;                 ///< semaphores that are no locks
};

}  // namespace coroscope::instrumentation::detail
