// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/finding_log.hpp>
#include <coroscope/instrumentation/races/race_candidate.hpp>
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Where findings about races go: each once a place, and away from the list if they are benign.
/// **Thread safety**: all members, from any thread.
class race_log {
public:
    explicit race_log(const race_options& options)
        : findings_(std::make_shared<finding_log>(options.capacity)),
          suppressions_(checked(options.suppressions)),
          capacity_(options.capacity) {}

    /// `key` says what it is about. `make` gives a `race_candidate`, and is called for the first of
    /// them alone; without holds there is nothing to explore.
    template <class Make>
    void add(std::uint64_t key, const Make& make) {
        if (!count_known(key)) { add_new(key, make()); }
    }
    /// One that is known by its fingerprint: where it was predicted and has happened, it takes the
    /// place of that.
    void add(report::finding made);
    void count_benign() noexcept;
    void count_dropped() noexcept { findings_->count_dropped(); }

    [[nodiscard]] std::shared_ptr<const finding_log> findings() const noexcept { return findings_; }
    [[nodiscard]] std::vector<race_candidate> candidates() const;
    [[nodiscard]] std::uint64_t benign() const;

private:
    /// Throws `std::invalid_argument` for a rule that there is not.
    [[nodiscard]] static std::vector<race_suppression> checked(
        std::vector<race_suppression> suppressions);
    [[nodiscard]] bool count_known(std::uint64_t key);
    void add_new(std::uint64_t key, race_candidate made);
    [[nodiscard]] bool is_suppressed(const report::finding& made) const;

    std::shared_ptr<finding_log> findings_;
    std::vector<race_suppression> suppressions_;
    std::size_t capacity_;
    mutable std::mutex mutex_;
    std::vector<race_candidate> candidates_;
    std::vector<std::uint64_t> suppressed_;  ///< keys
    std::uint64_t benign_ = 0;
};

/// A key for `race_log::add`: of what is told, a rule mostly, and of numbers that tell places
/// apart.
[[nodiscard]] std::uint64_t race_key(std::string_view what,
                                     std::initializer_list<std::uint64_t> places) noexcept;
[[nodiscard]] std::uint64_t race_key(std::string_view what, const await_site& first,
                                     const await_site& second = {}) noexcept;

}  // namespace coroscope::instrumentation::detail
