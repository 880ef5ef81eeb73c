// SPDX-License-Identifier: Apache-2.0
#include "reversal.hpp"

#include "random_source.hpp"

#include <algorithm>
#include <bit>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

using reversal_kind = reversal::kind;

constexpr std::uint32_t most_steps_turned = 2'000;
constexpr std::size_t most_pairs_found = 20'000;
constexpr std::uint64_t most_uses_compared = 50'000'000;
constexpr int steps_nearby = 32;  ///< steps of an agent that may belong together

/// Of the steps of one execution.
class reversal_finder {
public:
    reversal_finder(const execution_order& of, const reversal_filter& is_wanted)
        : order_(of),
          is_wanted_(is_wanted),
          count_(std::min(static_cast<std::uint32_t>(of.size()), most_steps_turned)),
          next_(count_, reversal::none) {
        for (std::uint32_t i = 0; i < count_; ++i) {
            if (const auto own = order_.step(i).own; own != reversal::none) { next_[own] = i; }
        }
    }

    [[nodiscard]] std::vector<reversal> find() {
        std::vector<reversal> found;
        std::size_t unseen = 0;
        const auto has_time = [&] {
            return found.size() < most_pairs_found && compared_ < most_uses_compared;
        };
        for (std::uint32_t later = 0; later < count_ && has_time(); ++later) {
            for (std::uint32_t earlier = 0; earlier < later; ++earlier) {
                const bool is_fixed = order_.step(earlier).agent == order_.step(later).agent
                                      || order_.is_after(later, earlier);
                if (is_fixed || (is_wanted_ && !is_wanted_(earlier, later))) { continue; }
                auto made = judge(earlier, later);
                if (made.why == reversal_kind::unseen && ++unseen > most_pairs_found / 2) {
                    continue;
                }
                made.site = site_of(made);
                found.push_back(made);
            }
        }
        std::ranges::sort(found, {}, [this](const reversal& r) {
            return std::tuple(place_of(r), r.later, r.earlier);
        });
        return found;
    }

private:
    [[nodiscard]] std::uint64_t site_of(const reversal& r) const {
        const auto& a = order_.step(r.earlier);
        const auto& b = order_.step(r.later);
        auto hash =
            derived_seed(std::bit_cast<std::uint64_t>(a.at), std::bit_cast<std::uint64_t>(b.at));
        if (r.first_use == reversal::none) { return hash; }
        for (const auto* u : {&a.uses[r.first_use], &b.uses[r.then_use]}) {
            hash = derived_seed(hash, std::bit_cast<std::uint64_t>(u->where));
            hash = derived_seed(hash, std::bit_cast<std::uint64_t>(u->code));
        }
        return hash;
    }

    [[nodiscard]] reversal judge(std::uint32_t earlier, std::uint32_t later) {
        reversal made{earlier, later};
        if (!find_conflict(made)) { return made; }
        const auto& use = order_.step(earlier).uses[made.first_use];
        const auto next = next_[earlier];
        const bool only_waits = use.bytes == 0 && use.mode == use_mode::look
                                && next != reversal::none && order_.step(next).enabled_by == later;
        made.why = only_waits                         ? reversal_kind::waits
                   : had_begun(made) || goes_on(made) ? reversal_kind::comes_between
                                                      : reversal_kind::conflict;
        return made;
    }

    [[nodiscard]] bool find_conflict(reversal& in) {
        const auto& a = order_.step(in.earlier);
        const auto& b = order_.step(in.later);
        if (((a.changed & b.looked) | (a.looked & b.changed)) == 0) { return false; }
        for (std::uint32_t i = 0; i < a.uses.size(); ++i) {
            compared_ += b.uses.size();
            for (std::uint32_t j = 0; j < b.uses.size(); ++j) {
                if (!do_conflict(a.uses[i].mode, b.uses[j].mode)) { continue; }
                if (!are_of_one_thing(a.uses[i], b.uses[j])) { continue; }
                in.first_use = i;
                in.then_use = j;
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] bool do_steps_conflict(std::uint32_t earlier, std::uint32_t later) {
        reversal both{earlier, later};
        return find_conflict(both);
    }

    /// The earlier one's agent had to do with the thing before, or with the later step.
    [[nodiscard]] bool had_begun(const reversal& r) {
        const auto& thing = order_.step(r.earlier).uses[r.first_use];
        auto own = order_.step(r.earlier).own;
        for (int left = steps_nearby; own != reversal::none && left > 0; --left) {
            const auto& step = order_.step(own);
            const bool uses_it = std::ranges::any_of(
                step.uses, [&](const thing_use& u) { return are_of_one_thing(u, thing); });
            if (uses_it || do_steps_conflict(own, r.later)) { return true; }
            own = step.own;
        }
        return false;
    }
    /// The later one's agent has to do with the earlier step once more.
    [[nodiscard]] bool goes_on(const reversal& r) {
        auto own = next_[r.later];
        for (int left = steps_nearby; own != reversal::none && left > 0; --left) {
            if (do_steps_conflict(r.earlier, own)) { return true; }
            own = next_[own];
        }
        return false;
    }

    [[nodiscard]] std::uint32_t steps_after(std::uint32_t step) const {
        std::uint32_t count = 0;
        for (auto own = next_[step]; own != reversal::none && count < steps_nearby;
             own = next_[own]) {
            ++count;
        }
        return count;
    }

    /// Those that change least come first. Where nothing is known, that is what is done last: an
    /// agent that has begun stops before its end until another one has come to its own.
    [[nodiscard]] std::tuple<reversal_kind, bool, std::uint32_t, std::uint32_t> place_of(
        const reversal& r) const {
        if (r.why != reversal_kind::unseen) { return {r.why, false, r.later - r.earlier, 0}; }
        const bool is_beginning = order_.step(r.earlier).number == 0;
        return {r.why, is_beginning, steps_after(r.later), steps_after(r.earlier)};
    }

    const execution_order& order_;
    const reversal_filter& is_wanted_;
    std::uint32_t count_;
    std::vector<std::uint32_t> next_;  ///< step of the same agent
    std::uint64_t compared_ = 0;       ///< uses
};

}  // namespace

std::vector<reversal> find_reversals(execution_order& of, const reversal_limits& most,
                                     const reversal_filter& is_wanted) {
    if (most.seen + most.unseen == 0) { return {}; }
    of.settle_by_necessity(std::min<std::size_t>(of.size(), most_steps_turned));
    reversal_finder finder(of, is_wanted);
    const auto found = finder.find();
    std::unordered_set<std::uint64_t> sites;
    std::vector<reversal> chosen;
    std::vector<reversal> again;
    std::vector<reversal> unseen;
    for (const auto& each : found) {
        const bool is_new = sites.insert(each.site).second;
        auto& to = each.why == reversal_kind::unseen ? unseen : is_new ? chosen : again;
        if (is_new || each.why != reversal_kind::unseen) { to.push_back(each); }
    }
    chosen.insert(chosen.end(), again.begin(), again.end());
    chosen.resize(std::min(chosen.size(), most.seen));
    unseen.resize(std::min(unseen.size(), most.unseen));
    chosen.insert(chosen.end(), unseen.begin(), unseen.end());
    return chosen;
}

}  // namespace coroscope::testkit::detail
