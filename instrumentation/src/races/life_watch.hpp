// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_recorder.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Follows the lives of watched objects, and who has a claim on which: what is used before its
/// beginning or after its end, or could be in another order, and contracts that are broken.
class life_watch {
public:
    life_watch(race_recorder& recorder, race_log& log) : recorder_(recorder), log_(log) {}

    void note(const void* object, const variable_label& label, life_event what, await_site where);
    void claim(const void* object, await_site where);
    void note_breach(const breach& made);
    void forget(const void* object);

private:
    struct moment {
        life_event what{};
        record_pointer by;
    };
    using life = std::vector<moment>;

    [[nodiscard]] record_pointer record_now(await_site where);
    void judge_use(const life& of, const moment& use, const variable_label& label);
    void judge_order(const life& of, const moment& latest, const variable_label& label);
    void report(const char* rule, report::verdict sure, const moment& earlier, const moment& later,
                const variable_label& label, const std::string& sentence);

    race_recorder& recorder_;
    race_log& log_;
    std::unordered_map<const void*, life> lives_;
    std::unordered_map<const void*, record_pointer> claims_;
};

}  // namespace coroscope::instrumentation::detail
