// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_recorder.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Notices who asks for the same thing again and again and gets nothing, while others, who came
/// later, get it: `try_lock`, `try_acquire` and `get_nowait` in loops, and
/// `condition::wait_for` whose predicate is false each time. Who waits for a lock, a semaphore or a
/// queue is served in the order of coming, and cannot starve.
class starvation_watch {
public:
    /// So many times it was asked for, and so many times others got it. 0: nobody starves.
    starvation_watch(race_recorder& recorder, race_log& log, std::size_t times)
        : recorder_(recorder),
          log_(log),
          times_(times) {}

    void note(const coroscope::detail::access& made);
    void forget(const void* object);
    void end_unit(std::uint64_t key);

private:
    /// Of one unit, for what it asked for last.
    struct asking {
        std::uint64_t unit = 0;
        std::uint64_t since = 0;  ///< grows from request to request
        std::uint32_t step = 0;   ///< of the last one
        std::size_t refusals = 0;
        std::size_t passed = 0;  ///< times that others got it who came later
        std::shared_ptr<access_record> first;
        std::shared_ptr<access_record> last;  ///< of those others, once they are so many
        std::string what;                     ///< `mutex 3`
        std::vector<std::uint64_t> seen;      ///< others that got it meanwhile
    };
    static constexpr std::size_t most_asking = 16;  ///< for one object
    static constexpr std::size_t most_objects = 1024;
    static constexpr std::size_t most_seen = 64;

    void note_refusal(const coroscope::detail::access& made, const race_recorder::present& at);
    void note_success(const coroscope::detail::access& made, const race_recorder::present& at);
    void count_pass(asking& of, const coroscope::detail::access& made,
                    const race_recorder::present& at, std::uint64_t asked_since);
    void report(const asking& starved, const access_record& got);

    race_recorder& recorder_;
    race_log& log_;
    std::size_t times_;
    std::uint64_t requests_ = 0;
    std::unordered_map<const void*, std::vector<asking>> objects_;
    std::unordered_set<std::uint64_t> units_;  ///< that asked for something
};

}  // namespace coroscope::instrumentation::detail
