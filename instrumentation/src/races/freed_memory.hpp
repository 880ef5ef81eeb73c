// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_recorder.hpp"

#include <coroscope/instrumentation/detail/memory_names.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Memory that tasks have freed, and that nobody has been given since: blocks, and the frames of
/// coroutines that have ended. Whoever uses it all the same is told of.
class freed_memory {
public:
    freed_memory(race_recorder& recorder, race_log& log) : recorder_(recorder), log_(log) {}

    /// `code`: an instruction of the call that freed it; null: not known.
    /// False: nobody is there to whom it could be told.
    [[nodiscard]] bool note_freed(const memory_block& block, const void* code);
    /// False: it is not known that this was freed.
    [[nodiscard]] bool note_use(const coroscope::detail::access& made);

private:
    struct freed_block {
        memory_place place;
        std::shared_ptr<const access_record> by;  ///< what its step did has in common
        const void* code = nullptr;
    };
    static constexpr std::size_t most_kept = 4096;

    [[nodiscard]] const freed_block* find(const void* address) const noexcept;

    race_recorder& recorder_;
    race_log& log_;
    std::vector<freed_block> blocks_;  ///< the newest ones
    std::size_t next_ = 0;             ///< where the next one takes the oldest one's place
};

}  // namespace coroscope::instrumentation::detail
