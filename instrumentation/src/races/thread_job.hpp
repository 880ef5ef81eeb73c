// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_races.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/job_follower.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace coroscope::instrumentation::detail {

/// Listens in a job's thread while the job runs there, and passes on to who listened before. A job
/// that an executor runs on the loop's own thread is part of the step that is there; one that it
/// runs in a thread of the same task's, or in a job's, is part of that.
class thread_job final : public coroscope::detail::followed_job,
                         public coroscope::detail::access_sink,
                         public coroscope::detail::job_follower,
                         public annotation_sink {
public:
    thread_job(std::shared_ptr<thread_races> in, std::uint64_t unit, bool is_thread) noexcept
        : in_(std::move(in)),
          unit_(unit),
          is_thread_(is_thread) {}
    ~thread_job() override;
    thread_job(const thread_job&) = delete;
    thread_job& operator=(const thread_job&) = delete;

    // --- followed_job

    void begin() noexcept override;
    void end() noexcept override;
    void deliver() noexcept override;

    // --- job_follower

    std::shared_ptr<coroscope::detail::followed_job> follow(
        await_site created_at) noexcept override {
        return begin_job(job_kind, created_at);
    }
    std::shared_ptr<coroscope::detail::followed_job> follow_thread() noexcept override {
        return begin_job(thread_kind, {});
    }
    std::shared_ptr<coroscope::detail::followed_post> post() noexcept override;
    void note_given(const void* object) noexcept override;
    void note_taken(const void* object) noexcept override;

    // --- access_sink

    void on_access(const coroscope::detail::access& made) noexcept override;
    void on_begin_of_life(const void* begin, std::size_t bytes) noexcept override;
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override;

    // --- annotation_sink

    std::uint64_t on_annotated_access(const annotated_access& made) noexcept override;
    void on_cell_gone(const variable_cell& cell) noexcept override;
    void on_value_used(const provenance& from, value_use how) noexcept override;
    void on_group(const void* group, const variable_label& label,
                  std::span<const void* const> members) noexcept override;
    void on_group_gone(const void* group) noexcept override;
    void on_benign(const char* reason) noexcept override;
    void on_life(const void* object, const variable_label& label, life_event what,
                 await_site where) noexcept override;
    void on_claim(const void* object, await_site where) noexcept override;
    void on_breach(const breach& made) noexcept override;
    [[nodiscard]] bool has_threads() const noexcept override { return true; }
    void on_thread_lock(const void* mutex, thread_lock how, await_site where) noexcept override;
    void on_thread_order(const void* object, thread_order how) noexcept override;
    void on_stack_access(const coroscope::detail::access& made) noexcept override;
    [[nodiscard]] bool on_freed(const memory_block&, const void*) noexcept override {
        return false;
    }
    [[nodiscard]] bool on_use_of_freed(const coroscope::detail::access&) noexcept override {
        return false;
    }

private:
    [[nodiscard]] std::shared_ptr<coroscope::detail::followed_job> begin_job(
        std::string_view kind, await_site created_at) noexcept;
    void begin_in_new_thread(std::uintptr_t frame) noexcept;
    template <class F>
    void guarded(F&& f) noexcept {
        if (in_->is_left_behind()) { return; }
        const coroscope::detail::own_accesses inside;
        try {
            f();
        } catch (...) { in_->log().count_dropped(); }
    }
    template <class F>
    void pass_on(F&& f) noexcept {
        if (outer_annotations_ != nullptr) { f(*outer_annotations_); }
    }

    std::shared_ptr<thread_races> in_;
    std::uint64_t unit_;
    bool is_thread_;         ///< of its own: nobody but who joins it knows when it has ended
    bool is_apart_ = false;  ///< in a thread that is neither the loop's nor another job's
    bool is_delivered_ = false;
    coroscope::detail::access_sink* outer_accesses_ = nullptr;
    annotation_sink* outer_annotations_ = nullptr;
    coroscope::detail::job_follower* outer_follower_ = nullptr;
    coroscope::detail::access_stretch outer_stretch_;
    std::uint64_t outer_segment_ = 0;
};

}  // namespace coroscope::instrumentation::detail
