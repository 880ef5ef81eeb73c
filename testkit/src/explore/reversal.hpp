// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution_order.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace coroscope::testkit::detail {

/// Two steps of an execution, of two agents, that some schedule runs the other way round.
struct reversal {
    /// What makes it likely that the other order goes wrong; the likeliest first.
    enum class kind : std::uint8_t {
        /// One of the two comes between two steps of the other agent that belong together.
        comes_between,
        conflict,  ///< they use one thing, and not both only look at it
        waits,     ///< the earlier one looks at what the later one then wakes it for
        unseen,    ///< nothing that they have in common is known
    };
    static constexpr std::uint32_t none = ordered_step::none;

    std::uint32_t earlier = 0;
    std::uint32_t later = 0;
    kind why = kind::unseen;
    std::uint32_t first_use = none;  ///< of the earlier step: the thing that both use
    std::uint32_t then_use = none;   ///< of the later step
    std::uint64_t site = 0;          ///< the same for those at the same places of the source
};

/// How many are worth a try.
struct reversal_limits {
    std::size_t seen = 64;
    std::size_t unseen = 16;
};

/// Whether a reversal, whose steps are known and no more, is worth looking at. Unset: each is.
using reversal_filter = std::function<bool(std::uint32_t earlier, std::uint32_t later)>;

/// The likeliest first, of those at the same places of the source one before the others. Only the
/// first steps of a long execution are looked at, of steps with very many uses fewer, and nothing
/// is left of the others in `of`, which is settled by necessity.
[[nodiscard]] std::vector<reversal> find_reversals(execution_order& of,
                                                   const reversal_limits& most = {},
                                                   const reversal_filter& is_wanted = {});

}  // namespace coroscope::testkit::detail
