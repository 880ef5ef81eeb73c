// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_recorder.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace coroscope::detail {
class task_core;
}

namespace coroscope::instrumentation::detail {

/// Remembers who gave which signal last, and what each task looked at last before it waited: a task
/// that waits for ever, for a signal that came before it waited, has missed it.
class wake_watch {
public:
    wake_watch(race_recorder& recorder, race_log& log) : recorder_(recorder), log_(log) {}

    /// Of a synchronisation object that is no lock.
    void note(const coroscope::detail::access& made);
    void forget(const void* object) { signals_.erase(object); }
    void end_unit(std::uint64_t key) { glances_.erase(key); }
    /// Nothing can happen any more on this loop.
    void note_hang(const coroscope::detail::loop_core& in);

private:
    struct glance {
        const void* object = nullptr;
        std::uint64_t signals = 0;  ///< that had been given by then
    };
    struct given_signal {
        std::uint64_t number = 0;
        std::shared_ptr<access_record> by;
    };
    static constexpr std::size_t most_signals = 4096;

    void note_signal(const coroscope::detail::access& made);
    void report(const coroscope::detail::task_core& waiter, const access_record& signal);

    race_recorder& recorder_;
    race_log& log_;
    std::uint64_t signals_given_ = 0;
    std::unordered_map<const void*, given_signal> signals_;
    std::unordered_map<std::uint64_t, glance> glances_;  ///< of units, their last
};

}  // namespace coroscope::instrumentation::detail
