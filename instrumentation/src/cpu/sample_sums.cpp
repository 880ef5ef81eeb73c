// SPDX-License-Identifier: Apache-2.0
#include "sample_sums.hpp"

#include "symbolizer.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <bit>
#include <iterator>

namespace coroscope::instrumentation::detail {
namespace {

/// The name that the task was given. Long ones are read from the task itself, if it is still there.
std::string name_of(const coroscope::detail::running_task& task) {
    if (task.id == 0) { return {}; }
    const auto end = std::find(task.name.begin(), task.name.end(), '\0');
    std::string name(task.name.begin(), end);
    if (end != task.name.end()) { return name; }
    const auto now = read_task(task.record);
    const bool is_it = now && now->id == task.id && now->loop_id == task.loop_id;
    return is_it && now->name.starts_with(name) ? now->name : name;
}

std::uintptr_t number_of(const await_site& site) {
    static_assert(sizeof(await_site) == sizeof(std::uintptr_t));
    return std::bit_cast<std::uintptr_t>(site);
}

}  // namespace

void sample_sums::add(const cpu_sample& sample) {
    sum made;
    bool has_body = false;
    made.native = unwinder_.native_stack(sample, has_body);
    const auto& task = sample.task;
    if (task.id != 0 && has_body) {
        const auto sites = task.sites.begin();
        const auto depth = static_cast<std::ptrdiff_t>(task.depth);
        made.sites.assign(sites + std::min<std::ptrdiff_t>(depth, 1), sites + depth);
        made.truncated = task.truncated;
    }
    auto numbers = made.native.addresses;
    numbers.push_back(0);
    std::transform(made.sites.begin(), made.sites.end(), std::back_inserter(numbers), number_of);
    numbers.push_back(made.native.truncated || made.truncated ? 1 : 0);
    std::pair key(std::move(numbers), name_of(task));
    auto found = sums_.find(key);
    if (found == sums_.end() && sums_.size() == most_) {
        dropped_ += sample.weight;
        return;
    }
    if (found == sums_.end()) { found = sums_.emplace(std::move(key), std::move(made)).first; }
    found->second.weight += sample.weight;
}

report::profile sample_sums::make_profile(std::chrono::nanoseconds period) const {
    report::profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    for (const auto& [key, one] : sums_) {
        auto stack = symbolizer::shared().name(one.native);
        stack.truncated = stack.truncated || one.truncated;
        for (const auto& site : one.sites) {
            stack.frames.push_back(to_frame(site));
        }
        builder.add(stack, key.second, {one.weight, one.weight * period.count()});
    }
    auto made = builder.take();
    made.period = period.count();
    return made;
}

}  // namespace coroscope::instrumentation::detail
