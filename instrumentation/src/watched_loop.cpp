// SPDX-License-Identifier: Apache-2.0
#include "watched_loop.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::uint32_t last_multiple = 8;

}  // namespace

void watched_loop::note_thread(const thread_identity& thread) {
    const auto usage = usage_of(thread);
    const std::lock_guard lock(mutex_);
    thread_ = thread;
    at_start_ = usage;
}

thread_identity watched_loop::thread() const {
    const std::lock_guard lock(mutex_);
    return thread_;
}

duration watched_loop::lasted() const {
    return step_clock::between(began_, step_clock::now());
}

void watched_loop::begin_step(const loop_activity& activity, const thread_usage& usage) {
    began_ = activity.began;
    next_multiple_ = 1;
    is_counted = false;
    is_suppressed = false;
    times_ = {};
    times_.until_first_look = lasted();
    times_.before = last_look_;
    times_.first = usage;
}

std::uint32_t watched_loop::look(const loop_activity& activity, std::uint64_t now,
                                 duration threshold, duration overslept) {
    {
        const std::lock_guard lock(mutex_);
        if (at_start_) { last_look_ = *std::exchange(at_start_, std::nullopt); }
    }
    const auto usage = usage_of(thread()).value_or(last_look_);
    if (!activity.in_step) {
        began_ = 0;
        last_look_ = usage;
        return 0;
    }
    if (activity.began != began_) { begin_step(activity, usage); }
    last_look_ = usage;
    const auto so_far = step_clock::between(began_, now);
    times_.overslept += std::min(overslept, so_far);
    std::uint32_t reached = 0;
    while (next_multiple_ <= last_multiple && so_far >= threshold * next_multiple_) {
        reached = next_multiple_;
        next_multiple_ *= 2;
    }
    return reached;
}

duration watched_loop::until_next_look(duration threshold) const {
    const auto pause = threshold / 2;
    if (began_ == 0 || next_multiple_ > last_multiple) { return pause; }
    const duration left = threshold * next_multiple_ - lasted();
    return std::clamp(left, duration(std::chrono::microseconds(100)), pause);
}

report::step_cause watched_loop::cause_now(const thread_place& place) {
    times_.now = usage_of(thread()).value_or(last_look_);
    times_.wall = lasted();
    times_.place = place;
    return judge(times_);
}

void watched_loop::publish(const report::step_cause& cause, const thread_place& place,
                           bool waits_for_stack) {
    const std::lock_guard lock(mutex_);
    if (seen_ != began_) {
        seen_ = began_;
        evidence_.emplace();
        later_.clear();
    }
    seen_times_ = times_;
    seen_times_.place = place;
    evidence_->cause = cause;
    evidence_->more_will_follow = waits_for_stack;
}

void watched_loop::publish_stack(std::optional<report::stack> stack, std::string trouble) {
    std::vector<later_record> waiting;
    stall_evidence now;
    {
        const std::lock_guard lock(mutex_);
        if (!evidence_) { return; }
        if (stack) { evidence_->stack = std::move(stack); }
        evidence_->stack_trouble = evidence_->stack ? std::string() : std::move(trouble);
        evidence_->more_will_follow = false;
        waiting = std::exchange(later_, {});
        now = *evidence_;
    }
    for (const auto& record : waiting) {
        if (const auto log = record.log.lock()) {
            log->amend(record.sequence, [&now](report::slow_step& step) {
                step.stack = now.stack;
                step.stack_trouble = now.stack_trouble;
            });
        }
    }
}

std::optional<stall_evidence> watched_loop::evidence_of(const step_record& step) const {
    const auto usage = usage_of(thread_identity::of_this());
    const std::lock_guard lock(mutex_);
    if (seen_ == 0 || seen_ != step.begin || !evidence_) { return std::nullopt; }
    auto complete = *evidence_;
    if (usage) {
        auto times = seen_times_;
        times.now = *usage;
        times.wall = step_clock::between(step.begin, step.end);
        complete.cause = judge(times);
        // The descriptor may be closed by now, and its number another's.
        complete.cause.target = evidence_->cause.target;
    }
    return complete;
}

void watched_loop::complete_later(const step_record& step, const std::shared_ptr<slow_log>& log,
                                  std::uint64_t sequence) {
    std::optional<stall_evidence> ready;
    {
        const std::lock_guard lock(mutex_);
        if (seen_ != step.begin || !evidence_) { return; }
        if (evidence_->more_will_follow) {
            later_.push_back({log, sequence});
            return;
        }
        ready = evidence_;
    }
    log->amend(sequence, [&ready](report::slow_step& record) {
        record.stack = ready->stack;
        record.stack_trouble = ready->stack_trouble;
    });
}

}  // namespace coroscope::instrumentation::detail
