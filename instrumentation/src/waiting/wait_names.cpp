// SPDX-License-Identifier: Apache-2.0
#include "wait_names.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

namespace coroscope::instrumentation {

wait_names::wait_names(std::size_t most)
    : most_(most),
      names_(std::make_unique<std::string[]>(most)) {}

std::uint32_t wait_names::label_of(std::string_view name) noexcept {
    if (name.empty()) { return nobody; }
    if (const auto found = labels_.find(name); found != labels_.end()) { return found->second; }
    const auto count = count_.load(std::memory_order_relaxed);
    if (count == most_) { return nobody; }
    const detail::unwatched_memory mine;
    try {
        names_[count] = name;
        labels_.emplace(names_[count], first + count);
    } catch (...) { return nobody; }  // no memory
    count_.store(count + 1, std::memory_order_release);
    return first + count;
}

std::string wait_names::name_of(std::uint32_t label) const {
    return label < first ? std::string() : names_[label - first];
}

std::set<std::string> wait_names::all() const {
    const auto* begin = names_.get();
    return {begin, begin + count_.load(std::memory_order_acquire)};
}

}  // namespace coroscope::instrumentation
