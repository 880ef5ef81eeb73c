// SPDX-License-Identifier: Apache-2.0
#include "population_watch.hpp"

#include "spin_watch.hpp"

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/handle.hpp>

#include <algorithm>
#include <cstdint>
#include <unordered_map>

namespace coroscope::instrumentation {
namespace {

/// Counts by site; what comes after the first thousand sites is not counted.
class census {
public:
    void count(const await_site& site) {
        if (site.line() == 0) { return; }
        const auto key = identity_of(site);
        if (counts_.size() < most_sites || counts_.contains(key)) {
            auto& entry = counts_[key];
            entry.site = site;
            ++entry.size;
        }
    }
    [[nodiscard]] crowd largest() const {
        const auto most = std::max_element(counts_.begin(), counts_.end(), [](auto& a, auto& b) {
            return a.second.size < b.second.size;
        });
        return most == counts_.end() ? crowd() : most->second;
    }

private:
    static constexpr std::size_t most_sites = 1000;
    std::unordered_map<std::uint64_t, crowd> counts_;
};

[[nodiscard]] await_site created_at(const coroscope::detail::task_core& task) noexcept {
    return task.record().origin.load(std::memory_order_relaxed).call();
}

[[nodiscard]] await_site stands_at(const coroscope::detail::task_core& task) noexcept {
    return task.top != nullptr ? task.top->site : await_site();
}

}  // namespace

crowd largest_crowd_of_tasks(const coroscope::detail::loop_core& core) {
    census by_creation;
    for (const auto* task = core.first_task; task != nullptr; task = task->next) {
        by_creation.count(created_at(*task));
    }
    auto found = by_creation.largest();
    census by_wait;
    for (const auto* task = core.first_task; task != nullptr; task = task->next) {
        if (identity_of(created_at(*task)) == identity_of(found.site)) {
            by_wait.count(stands_at(*task));
        }
    }
    found.waits_at = by_wait.largest().site;
    return found;
}

crowd largest_crowd_of_timers(const coroscope::detail::loop_core& core) {
    census by_site;
    core.timers.for_each([&by_site](const coroscope::detail::timer_node& node) {
        if (node.target.is_task()) {
            by_site.count(stands_at(*node.target.task()));
        } else {
            by_site.count(node.target.handle()->created_at);
        }
    });
    return by_site.largest();
}

}  // namespace coroscope::instrumentation
