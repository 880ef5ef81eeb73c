// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/finding_log.hpp>

#include <string>
#include <utility>

namespace coroscope::instrumentation {

finding_log::finding_log(std::size_t capacity) : capacity_(capacity) {}

std::vector<report::finding> finding_log::findings() const {
    std::vector<report::finding> copies;
    const std::lock_guard lock(mutex_);
    copies.reserve(entries_.size());
    for (const auto& each : entries_) {
        auto& copy = copies.emplace_back(each.made);
        if (each.times > 1) {
            copy.evidence.push_back({"seen", std::to_string(each.times) + " times", {}, {}});
        }
    }
    return copies;
}

std::uint64_t finding_log::dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
}

std::optional<std::uint64_t> finding_log::count_again(std::uint64_t key) {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(key);
    if (place == places_.end()) { return std::nullopt; }
    return ++entries_[place->second].times;
}

bool finding_log::add(std::uint64_t key, report::finding made) {
    const std::lock_guard lock(mutex_);
    if (const auto place = places_.find(key); place != places_.end()) {
        ++entries_[place->second].times;
        return false;
    }
    if (entries_.size() >= capacity_) {
        ++dropped_;
        return false;
    }
    entries_.push_back({std::move(made)});
    places_.emplace(key, entries_.size() - 1);
    return true;
}

bool finding_log::confirm(std::uint64_t key, report::finding made) {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(key);
    if (place == places_.end()) { return false; }
    auto& known = entries_[place->second].made;
    if (known.verdict != report::verdict::predicted) { return false; }
    known = std::move(made);
    return true;
}

void finding_log::count_dropped() noexcept {
    const std::lock_guard lock(mutex_);
    ++dropped_;
}

}  // namespace coroscope::instrumentation
