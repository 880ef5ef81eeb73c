// SPDX-License-Identifier: Apache-2.0
#include "make_strategy.hpp"

#include "depth_first.hpp"
#include "partial_order_sampling.hpp"
#include "portfolio.hpp"
#include "priority_schedule.hpp"
#include "random_walk.hpp"
#include "selective_walk.hpp"
#include "source_dpor.hpp"
#include "uniform_walk.hpp"

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

namespace coroscope::testkit {
namespace {

struct named {
    strategy what;
    const char* name;
};

constexpr std::array names{named{strategy::portfolio, "portfolio"},
                           named{strategy::default_order, "default-order"},
                           named{strategy::random_walk, "random-walk"},
                           named{strategy::uniform_walk, "uniform-walk"},
                           named{strategy::selective_walk, "selective-walk"},
                           named{strategy::partial_order_sampling, "partial-order-sampling"},
                           named{strategy::pct_2, "pct-2"},
                           named{strategy::pct_3, "pct-3"},
                           named{strategy::pct_5, "pct-5"},
                           named{strategy::depth_first, "depth-first"},
                           named{strategy::dpor, "dpor"}};

}  // namespace

const char* to_string(strategy s) noexcept {
    for (const auto& each : names) {
        if (each.what == s) { return each.name; }
    }
    return "?";
}

strategy parse_strategy(std::string_view name) {
    std::string known;
    for (const auto& each : names) {
        if (each.name == name) { return each.what; }
        known += (known.empty() ? "" : ", ") + std::string(each.name);
    }
    throw std::invalid_argument("no strategy of explorations is called '" + std::string(name)
                                + "'; known are " + known);
}

namespace detail {
namespace {

/// In the order of their turns. The walks found most bugs of the literature's small programs first;
/// depth first ends the exploration of what is small enough.
[[nodiscard]] std::unique_ptr<search_strategy> make_portfolio(const search_share& share) {
    std::vector<std::unique_ptr<search_strategy>> members;
    members.push_back(std::make_unique<default_order>());
    members.push_back(std::make_unique<depth_first>(std::nullopt, share.index, share.count));
    members.push_back(std::make_unique<uniform_walk>());
    members.push_back(std::make_unique<selective_walk>());
    members.push_back(std::make_unique<random_walk>());
    members.push_back(std::make_unique<partial_order_sampling>());
    for (const std::size_t depth : {2U, 3U, 5U}) {
        members.push_back(std::make_unique<priority_schedule>(depth));
    }
    return std::make_unique<portfolio>(std::move(members));
}

}  // namespace

std::unique_ptr<search_strategy> make_strategy(const explore_options& options,
                                               const search_share& share) {
    switch (options.strategy) {
    case strategy::portfolio: return make_portfolio(share);
    case strategy::default_order: return std::make_unique<default_order>();
    case strategy::random_walk: return std::make_unique<random_walk>();
    case strategy::uniform_walk: return std::make_unique<uniform_walk>();
    case strategy::selective_walk: return std::make_unique<selective_walk>();
    case strategy::partial_order_sampling: return std::make_unique<partial_order_sampling>();
    case strategy::pct_2: return std::make_unique<priority_schedule>(2);
    case strategy::pct_3: return std::make_unique<priority_schedule>(3);
    case strategy::pct_5: return std::make_unique<priority_schedule>(5);
    case strategy::depth_first:
        return std::make_unique<depth_first>(options.max_deviations, share.index, share.count);
    case strategy::dpor: return std::make_unique<source_dpor>();
    }
    throw std::invalid_argument("explore_options::strategy is none of the strategies");
}

}  // namespace detail
}  // namespace coroscope::testkit
