// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_records.hpp"
#include "race_units.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/job_follower.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

/// What a loop's thread and the jobs that it gave to executors do to the same variables, in the
/// order of the C++ memory model: a job begins after it was given away and ends before its result
/// comes back. Each job is a unit of its own, since another thread might as well have run it.
/// **Thread safety**: all members, from any thread.
class thread_races : public std::enable_shared_from_this<thread_races> {
public:
    explicit thread_races(std::shared_ptr<race_log> log) : log_(std::move(log)) {}

    /// A job that the loop gives away now, for the task that runs.
    [[nodiscard]] std::shared_ptr<coroscope::detail::followed_job> follow(
        std::shared_ptr<const unit_facts> by);
    /// On the loop's thread, by the task that runs. Nothing before the first job.
    void note_on_loop(const annotated_access& made, const std::shared_ptr<const unit_facts>& by);
    void note_lock_on_loop(const void* mutex, bool is_taken, await_site where);
    void forget(const void* object);

private:
    class job;
    using pointer = std::shared_ptr<access_record>;
    struct variable {
        variable_label label;
        std::vector<pointer> records;
    };
    static constexpr std::uint64_t loop_key = 1;

    std::uint64_t note(std::uint64_t unit, const annotated_access& made,
                       const std::shared_ptr<const unit_facts>& who);
    void note_value_used(const provenance& from, value_use how);
    void note_lock(std::uint64_t unit, const void* mutex, bool is_taken, await_site where);
    void judge(const variable& in, const access_record& latest);
    void judge_pair(const variable& in, const access_record& earlier, const access_record& later);
    void judge_triple(const variable& in, const access_triple& of);

    std::shared_ptr<race_log> log_;
    std::mutex mutex_;  // of all that follows
    bool has_jobs_ = false;
    race_units units_;
    std::uint64_t next_number_ = 1;  ///< of jobs, segments, acquisitions, records
    std::unordered_map<const void*, variable> variables_;
};

}  // namespace coroscope::instrumentation::detail
