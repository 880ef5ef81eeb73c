// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/deadlock.hpp>

#include "race_log.hpp"
#include "race_parts.hpp"
#include "segment_numbers.hpp"
#include "thread_job.hpp"
#include "thread_races.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/job_follower.hpp>
#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace coroscope::instrumentation {

using coroscope::detail::access;
using coroscope::detail::access_listener;
using coroscope::detail::access_sink;
using detail::annotation_listener;
using detail::annotation_sink;
using detail::race_units;

/// What is attached to a loop: made anew for each, with one log for all.
class race_detector::watcher final : public observer,
                                     public access_sink,
                                     public annotation_sink,
                                     public coroscope::detail::pause_sink,
                                     public coroscope::detail::job_follower {
public:
    watcher(const race_options& options, std::shared_ptr<detail::race_log> log)
        : pause_sink{.note = &watcher::note_begin, .note_step = &watcher::note_end},
          options_(options),
          log_(std::move(log)) {}

    [[nodiscard]] detail::race_log& log() noexcept { return *log_; }
    [[nodiscard]] const detail::race_log& log() const noexcept { return *log_; }

    void attach(loop& to) {
        if (parts_ != nullptr) {
            throw std::logic_error("this race detector is attached to loop "
                                   + std::to_string(parts_->core.id)
                                   + " already; detach it first, or make another one");
        }
        if (annotation_listener != nullptr) {
            throw std::logic_error(
                "another race detector is attached to a loop of this thread; detach that one "
                "first");
        }
        parts_ = std::make_unique<detail::race_parts>(to.core(), options_, *log_);
        threads_ = std::make_shared<detail::thread_races>(log_);
        to.core().add_reference();
        to.add_observer(*this);
        to.add_pause_sink(*this);
        counts_segments_ = to.core().step_began != nullptr;
        next_access_ = std::exchange(access_listener, this);
        annotation_listener = this;
        next_follower_ = std::exchange(coroscope::detail::job_listener, this);
        detail::group_registration::tell_all(*this);
    }
    void detach() noexcept {
        if (parts_ == nullptr) { return; }
        settle();
        if (access_listener == this) { access_listener = next_access_; }
        if (annotation_listener == this) { annotation_listener = nullptr; }
        if (coroscope::detail::job_listener == this) {
            coroscope::detail::job_listener = next_follower_;
        }
        detail::current_segment = 0;
        if (detail::give_back_freed_memory != nullptr && !threads_->is_left_behind()) {
            detail::give_back_freed_memory();
        }
        auto& core = parts_->core;
        if (core.self != nullptr) {
            core.self->remove_pause_sink(*this);
            core.self->remove_observer(*this);
        }
        parts_ = nullptr;
        threads_ = nullptr;
        core.release();
    }
    [[nodiscard]] std::size_t clock_slots_used() const noexcept {
        return parts_ != nullptr ? parts_->units.slots() : 0;
    }
    /// False: this is a copy, whose lists somebody may hold for ever.
    bool settle() noexcept {
        guarded([&] {
            parts_->recorder.settle();
            threads_->settle();
        });
        return threads_ == nullptr || !threads_->is_left_behind();
    }

    void note_hang() noexcept {
        guarded([&] {
            parts_->wakes.note_hang(parts_->core);
            parts_->locks.note_hang();
            if (parts_->core.self == nullptr) { return; }
            for (auto& found : find_deadlocks(*parts_->core.self, outlook::quiet)) {
                log_->add(std::move(found));
            }
        });
    }

    // --- access_sink

    void on_access(const access& made) noexcept override {
        if (next_access_ != nullptr) { next_access_->on_access(made); }
        guarded([&] {
            if (made.bytes == 0) {
                note_synchronisation(made);
                return;
            }
            parts_->recorder.note_single(made);
            if (threads_->has_jobs()) { threads_->note_on_loop(made, parts_->recorder); }
        });
        if (made.lock != coroscope::detail::lock_use::none
            && made.kind == coroscope::detail::access_kind::acquire) {
            split_segment();
        }
    }
    void on_begin_of_life(const void* begin, std::size_t bytes) noexcept override {
        if (next_access_ != nullptr) { next_access_->on_begin_of_life(begin, bytes); }
    }
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override {
        if (next_access_ != nullptr) { next_access_->on_end_of_life(begin, bytes); }
        guarded([&] {
            parts_->forget(begin, bytes);
            if (threads_->has_jobs()) { threads_->forget(begin, bytes); }
        });
    }

    // --- annotation_sink

    std::uint64_t on_annotated_access(const detail::annotated_access& made) noexcept override {
        if (next_access_ != nullptr) {
            next_access_->on_access({made.object, made.bytes, made.kind, made.where});
        }
        std::uint64_t segment = 0;
        guarded([&] {
            segment = parts_->recorder.note(made);
            if (threads_->has_jobs()) { threads_->note_on_loop(made, parts_->recorder); }
        });
        return segment;
    }
    void on_cell_gone(const detail::variable_cell& cell) noexcept override {
        guarded([&] { parts_->recorder.forget_cell(cell); });
    }
    void on_value_used(const detail::provenance& from, detail::value_use how) noexcept override {
        guarded([&] {
            parts_->recorder.note_value_used(from, how);
            if (threads_->has_jobs()) { threads_->note_value_used(from, how); }
        });
    }
    void on_group(const void* group, const detail::variable_label& label,
                  std::span<const void* const> members) noexcept override {
        guarded([&] { parts_->recorder.note_group(group, label, members); });
    }
    void on_group_gone(const void* group) noexcept override {
        guarded([&] { parts_->recorder.forget_group(group); });
    }
    void on_benign(const char* reason) noexcept override {
        guarded([&] { parts_->recorder.note_benign(reason); });
        coroscope::detail::renew_stretch();  // a like access is another one from now on
    }
    void on_life(const void* object, const detail::variable_label& label, detail::life_event what,
                 await_site where) noexcept override {
        guarded([&] { parts_->lives.note(object, label, what, where); });
    }
    void on_claim(const void* object, await_site where) noexcept override {
        guarded([&] { parts_->lives.claim(object, where); });
    }
    void on_breach(const detail::breach& made) noexcept override {
        guarded([&] { parts_->lives.note_breach(made); });
    }

    void on_thread_lock(const void* mutex, detail::thread_lock how,
                        await_site where) noexcept override {
        bool is_other = false;
        guarded([&] { is_other = threads_->note_lock_on_loop(mutex, how, where); });
        if (is_other) { split_segment(); }
    }
    [[nodiscard]] bool has_threads() const noexcept override {
        return threads_ != nullptr && threads_->has_jobs();
    }
    void on_thread_order(const void* object, detail::thread_order how) noexcept override {
        if (!has_threads()) { return; }
        guarded([&] { threads_->note_order(loop_unit, object, how); });
        if (detail::gives_order(how)) { split_segment(); }
    }
    void on_stack_access(const access& made) noexcept override {
        guarded([&] {
            if (threads_->has_jobs()) { threads_->note_on_loop(made, parts_->recorder); }
        });
    }

    bool on_freed(const detail::memory_block& block, const void* code) noexcept override {
        bool is_kept = false;
        guarded([&] { is_kept = parts_->freed.note_freed(block, code); });
        return is_kept;
    }
    bool on_use_of_freed(const access& made) noexcept override {
        bool is_known = false;
        guarded([&] { is_known = parts_->freed.note_use(made); });
        return is_known;
    }

    // --- job_follower

    std::shared_ptr<coroscope::detail::followed_job> follow(
        await_site created_at) noexcept override {
        return begin_job(detail::job_kind, created_at);
    }
    std::shared_ptr<coroscope::detail::followed_job> follow_thread() noexcept override {
        return begin_job(detail::thread_kind, {});
    }
    std::shared_ptr<coroscope::detail::followed_post> post() noexcept override { return nullptr; }
    void note_given(const void* object) noexcept override {
        on_thread_order(object, detail::thread_order::release);
    }
    void note_taken(const void* object) noexcept override {
        on_thread_order(object, detail::thread_order::acquire);
    }

    // --- observer

    void on_task_finished(const task_info& task, task_outcome) noexcept override {
        guarded([&] { parts_->end_unit(race_units::key_of({task.id, true})); });
    }
    void on_callback_begins(std::uint64_t handle, await_site) noexcept override {
        begin_segment();
        guarded([&] { parts_->orders.begin_callback(handle, parts_->core.callback.get()); });
    }
    void on_callback_ends(std::uint64_t handle) noexcept override {
        guarded([&] { parts_->end_unit(race_units::key_of({handle, false})); });
    }
    void on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept override {
        guarded([&] {
            parts_->recorder.end_part();
            if (kind == edge_kind::semaphore && parts_->locks.passes_permit()) { return; }
            parts_->orders.note_edge(kind, from, to, parts_->recorder.now().key);
        });
    }

private:
    static constexpr auto loop_unit = detail::thread_races::loop_unit;

    [[nodiscard]] std::shared_ptr<const detail::unit_facts> who_now() {
        return parts_->recorder.who(parts_->recorder.now());
    }

    /// Hooks must not throw: without memory, something is not seen.
    template <class F>
    void guarded(F&& f) noexcept {
        if (parts_ == nullptr || threads_->is_left_behind()) { return; }
        const coroscope::detail::own_accesses inside;
        parts_->orders.note_run(coroscope::detail::running_loop == &parts_->core);
        try {
            if (threads_->has_forgotten()) [[unlikely]] { forget_what_jobs_did(); }
            f();
        } catch (...) { log_->count_dropped(); }
    }

    void begin_segment() noexcept {
        if (parts_ != nullptr) { parts_->recorder.forget_cells(); }
        if (counts_segments_) { detail::current_segment = detail::next_segment_number(); }
    }
    /// What follows in this step is judged by other locks, or other orders, than what came before.
    void split_segment() noexcept {
        if (parts_ == nullptr) { return; }
        parts_->recorder.split_segment();
        coroscope::detail::renew_stretch();
    }
    [[nodiscard]] std::shared_ptr<detail::thread_job> begin_job(std::string_view kind,
                                                                await_site created_at) noexcept {
        std::shared_ptr<detail::thread_job> begun;
        guarded([&] {
            const auto unit = threads_->begin_job(kind, who_now(), created_at);
            begun =
                std::make_shared<detail::thread_job>(threads_, unit, kind == detail::thread_kind);
        });
        split_segment();
        return begun;
    }
    /// A block that a job freed may be this thread's by now.
    void forget_what_jobs_did() {
        for (const auto& [begin, bytes] : threads_->take_forgotten()) {
            if (begin == nullptr) {
                parts_->recorder.forget_all();
            } else {
                parts_->recorder.forget_variable(begin, bytes);
            }
        }
    }
    static void note_begin(pause_sink& self, coroscope::detail::task_core&,
                           std::uint64_t) noexcept {
        static_cast<watcher&>(self).begin_segment();
    }
    // A creator goes on after the first step of a task that it started eagerly.
    static void note_end(pause_sink& self, const coroscope::detail::task_core*,
                         const coroscope::detail::frame_base*, std::uint64_t) noexcept {
        static_cast<watcher&>(self).begin_segment();
    }

    void note_synchronisation(const access& made) {
        if (detail::was_memory_freed != nullptr && detail::was_memory_freed(made.object)) {
            static_cast<void>(parts_->freed.note_use(made));
        }
        parts_->recorder.end_part();
        if (judges_starvation()) { parts_->starving.note(made); }
        if (parts_->locks.note(made)) { return; }
        auto signal = made;
        if (made.lock != coroscope::detail::lock_use::none || made.refused != nullptr) {
            signal.id = 0;  // the object's, not that of one of its items
        }
        parts_->orders.note_use(signal, parts_->recorder.now().key);
        parts_->wakes.note(signal);
    }
    /// A policy may leave anybody behind.
    [[nodiscard]] bool judges_starvation() const noexcept {
        return options_.runs_in_default_order || parts_->core.policy == nullptr;
    }

    const race_options& options_;
    std::shared_ptr<detail::race_log> log_;
    std::unique_ptr<detail::race_parts> parts_;
    bool counts_segments_ = false;
    access_sink* next_access_ = nullptr;
    coroscope::detail::job_follower* next_follower_ = nullptr;
    std::shared_ptr<detail::thread_races> threads_;  ///< shared with jobs
};

race_detector::race_detector(race_options options)
    : options_(std::move(options)),
      watcher_(std::make_unique<watcher>(options_, std::make_shared<detail::race_log>(options_))) {}

race_detector::~race_detector() {
    detach();
}

void race_detector::attach_to(loop& l) {
    watcher_->attach(l);
}

void race_detector::detach() noexcept {
    watcher_->detach();
}

void race_detector::note_hang() noexcept {
    watcher_->note_hang();
}

std::vector<report::finding> race_detector::findings() {
    if (!watcher_->settle()) { return {}; }
    return watcher_->log().findings()->findings();
}

std::vector<race_candidate> race_detector::candidates() {
    if (!watcher_->settle()) { return {}; }
    return watcher_->log().candidates();
}

std::uint64_t race_detector::benign_count() {
    if (!watcher_->settle()) { return 0; }
    return watcher_->log().benign();
}

std::size_t race_detector::clock_slots_used() const noexcept {
    return watcher_->clock_slots_used();
}

std::shared_ptr<const finding_log> race_detector::log() const noexcept {
    return watcher_->log().findings();
}

}  // namespace coroscope::instrumentation
