// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "freed_memory.hpp"
#include "life_watch.hpp"
#include "lock_table.hpp"
#include "race_log.hpp"
#include "race_recorder.hpp"
#include "race_units.hpp"
#include "starvation_watch.hpp"
#include "unit_orders.hpp"
#include "wake_watch.hpp"

#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

/// What a detector knows of one loop, while it is attached.
struct race_parts {
    race_parts(coroscope::detail::loop_core& of, const race_options& options, race_log& log)
        : core(of),
          recorder(of, units, log, std::max<std::size_t>(options.accesses_a_variable, 4)),
          locks(recorder, units, log),
          lives(recorder, log),
          wakes(recorder, log),
          starving(recorder, log, options.starved_after),
          orders(units, log),
          freed(recorder, log) {}
    race_parts(const race_parts&) = delete;
    race_parts& operator=(const race_parts&) = delete;

    /// These bytes are something else from now on.
    void forget(const void* begin, std::size_t bytes) {
        recorder.forget_variable(begin, bytes);
        locks.forget(begin);
        orders.forget(begin);
        lives.forget(begin);
        wakes.forget(begin);
        starving.forget(begin);
    }
    void end_unit(std::uint64_t key) {
        recorder.end_unit(key);
        locks.end_unit(key);
        wakes.end_unit(key);
        starving.end_unit(key);
        orders.end(key);
    }

    coroscope::detail::loop_core& core;
    race_units units;
    race_recorder recorder;
    lock_table locks;
    life_watch lives;
    wake_watch wakes;
    starvation_watch starving;
    unit_orders orders;
    freed_memory freed;
};

}  // namespace coroscope::instrumentation::detail
