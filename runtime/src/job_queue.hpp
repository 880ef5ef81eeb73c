// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/callback.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace coroscope::detail {

/// Jobs in order, any of which may be taken out by its number. Guarded by its owner.
class job_queue {
public:
    /// Returns its number, never 0.
    std::uint64_t add(callback job) {
        jobs_.emplace_hint(jobs_.end(), next_, std::move(job));
        return next_++;
    }
    [[nodiscard]] callback take_first() {
        auto first = std::move(jobs_.begin()->second);
        jobs_.erase(jobs_.begin());
        return first;
    }
    /// An empty one if it is not there.
    [[nodiscard]] callback take(std::uint64_t number) noexcept {
        const auto found = jobs_.find(number);
        if (found == jobs_.end()) { return {}; }
        auto job = std::move(found->second);
        jobs_.erase(found);
        return job;
    }
    [[nodiscard]] bool empty() const noexcept { return jobs_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return jobs_.size(); }

private:
    std::map<std::uint64_t, callback> jobs_;
    std::uint64_t next_ = 1;
};

}  // namespace coroscope::detail
