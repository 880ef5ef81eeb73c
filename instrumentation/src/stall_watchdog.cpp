// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/stall_watchdog.hpp>

#include <coroscope/instrumentation/snapshots.hpp>

#include "report_budget.hpp"
#include "thread_capture.hpp"
#include "watched_loop.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace coroscope::instrumentation {

using detail::watched_loop;

namespace {

constexpr duration least_threshold = std::chrono::milliseconds(1);

int checked_signal(int offset) {
    const int number = SIGRTMIN + offset;
    if (offset < 0 || number > SIGRTMAX) {
        throw std::invalid_argument("stall_watchdog_options::signal_offset is "
                                    + std::to_string(offset) + "; it must lie between 0 and "
                                    + std::to_string(SIGRTMAX - SIGRTMIN));
    }
    return number;
}

/// What the loop runs, as far as others can see it.
report::slow_step describe_activity(std::uint32_t loop_id, const loop_activity& activity) {
    report::slow_step made;
    made.loop_id = loop_id;
    made.kind = activity.kind == step_kind::task       ? report::step_kind::task
                : activity.kind == step_kind::callback ? report::step_kind::callback
                                                       : report::step_kind::io_poll;
    if (activity.kind == step_kind::callback) {
        made.created_at = position_of(activity.created_at);
    }
    if (const auto task = read_task(activity.record); task) {
        made.task_id = task->id;
        made.name = task->name;
        made.created_at = position_of(task->created_at);
        made.from = position_of(task->site);
    }
    return made;
}

}  // namespace

class stall_watchdog::implementation {
public:
    explicit implementation(stall_watchdog_options options)
        : options_(std::move(options)),
          own_threshold_(options_.threshold),
          reports_per_minute_(options_.reports_per_minute),
          capture_({checked_signal(options_.signal_offset), options_.patience,
                    options_.most_stack_bytes}),
          thread_([this] { run(); }) {}
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;
    ~implementation() {
        if (process_ != ::getpid()) {  // a fork: the thread is not here
            thread_.detach();
            return;
        }
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    std::shared_ptr<watched_loop> find(std::uint32_t id) {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(loops_.begin(), loops_.end(),
                                        [id](const auto& watched) { return watched->id == id; });
        return found == loops_.end() ? nullptr : *found;
    }
    void add(const loop& l) {
        auto watched = std::make_shared<watched_loop>(l.id());
        watched->loops_threshold.store(l.slow_callback_duration());
        const std::lock_guard lock(mutex_);
        loops_.push_back(std::move(watched));
        changed_.notify_all();
    }
    void remove(std::uint32_t id) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase_if(loops_, [id](const auto& watched) { return watched->id == id; });
    }
    void set_threshold(std::optional<duration> threshold) {
        const std::lock_guard lock(mutex_);
        own_threshold_ = threshold;
        has_news_ = true;
        changed_.notify_all();
    }
    void set_reports_per_minute(std::uint32_t reports) { reports_per_minute_.store(reports); }
    void wake() {
        const std::lock_guard lock(mutex_);
        has_news_ = true;
        changed_.notify_all();
    }

    std::atomic<std::uint64_t> stalls{0};
    std::atomic<std::uint64_t> suppressed{0};
    std::atomic<std::uint64_t> thrown_away{0};

private:
    using instant = std::chrono::steady_clock::time_point;

    void run();
    /// Returns how long to sleep.
    duration look_at_all(duration overslept);
    duration look_at(watched_loop& watched, const loop_activity& activity, std::uint64_t now,
                     duration overslept);
    void notice(watched_loop& watched, std::uint32_t times, duration threshold);
    void report(const stall& news);
    void tell_suppressed();
    [[nodiscard]] duration threshold_of(const watched_loop& watched) const;

    stall_watchdog_options options_;
    pid_t process_ = ::getpid();

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::shared_ptr<watched_loop>> loops_;
    std::optional<duration> own_threshold_;
    bool has_news_ = false;
    bool stopping_ = false;

    std::atomic<std::uint32_t> reports_per_minute_;
    // The thread's own:
    detail::thread_capture capture_;
    detail::report_budget budget_;
    bool handler_failed_ = false;
    bool has_reported_ = false;  // in this round of looks
    std::thread thread_;         // the last: everything is there when it begins
};

duration stall_watchdog::implementation::threshold_of(const watched_loop& watched) const {
    const std::lock_guard lock(mutex_);
    return std::max(own_threshold_.value_or(watched.loops_threshold.load()), least_threshold);
}

namespace {

/// Time that the watchdog's thread can account for neither by running nor by waiting for a
/// processor, beyond what it meant to wait: then the whole process was stopped.
class lost_time {
public:
    /// Since the object was made.
    [[nodiscard]] duration beyond(duration meant) const {
        const auto passed = std::chrono::steady_clock::now() - began_;
        const auto runnable = detail::own_runnable_time() - runnable_;
        return std::max(passed - runnable - meant, duration(0));
    }

private:
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::chrono::nanoseconds runnable_ = detail::own_runnable_time();
};

}  // namespace

void stall_watchdog::implementation::run() {
    constexpr duration longest_sleep = std::chrono::minutes(1);
    duration overslept{0};
    for (;;) {
        has_reported_ = false;
        const lost_time while_looking;
        const auto pause = std::min(look_at_all(overslept), longest_sleep);
        // Who reports may well wait for others.
        overslept = has_reported_ ? duration(0) : while_looking.beyond(duration(0));
        const lost_time while_sleeping;
        {
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, pause, [this] { return stopping_ || has_news_; });
            if (stopping_) { break; }
            has_news_ = false;
        }
        overslept += while_sleeping.beyond(pause);
    }
    tell_suppressed();
}

duration stall_watchdog::implementation::look_at_all(duration overslept) {
    std::vector<std::shared_ptr<watched_loop>> loops;
    {
        const std::lock_guard lock(mutex_);
        loops = loops_;
    }
    duration pause = std::chrono::minutes(1);
    for (const auto& watched : loops) {
        const auto now = step_clock::now();
        const auto activity = read_activity(watched->id);
        if (!activity) {  // the loop is gone
            const std::lock_guard lock(mutex_);
            std::erase(loops_, watched);
            continue;
        }
        pause = std::min(pause, look_at(*watched, *activity, now, overslept));
    }
    if (budget_.is_due(std::chrono::steady_clock::now())) { tell_suppressed(); }
    return pause;
}

duration stall_watchdog::implementation::look_at(watched_loop& watched,
                                                 const loop_activity& activity, std::uint64_t now,
                                                 duration overslept) {
    const auto threshold = threshold_of(watched);
    const auto times = watched.look(activity, now, threshold, overslept);
    if (times > 0 && !watched.is_counted) {
        watched.is_counted = true;
        stalls.fetch_add(1);
        watched.is_suppressed =
            !budget_.allows(std::chrono::steady_clock::now(), reports_per_minute_.load());
        if (watched.is_suppressed) { suppressed.fetch_add(1); }
    }
    if (times > 0 && !watched.is_suppressed) { notice(watched, times, threshold); }
    return watched.until_next_look(threshold);
}

void stall_watchdog::implementation::notice(watched_loop& watched, std::uint32_t times,
                                            duration threshold) {
    has_reported_ = true;
    const auto seen = capture_.take(watched.thread());
    const auto activity = read_activity(watched.id);
    if (!activity || !watched.still_stands(*activity)) {
        thrown_away.fetch_add(1);
        return;
    }
    stall news;
    news.step = describe_activity(watched.id, *activity);
    news.step.threshold = threshold;
    news.step.cause = watched.cause_now(seen.place);
    news.step.cpu = news.step.cause->cpu;
    news.step.wall = watched.lasted();
    news.step.when = std::chrono::system_clock::now();
    news.step.stack_trouble = seen.trouble;
    news.times_threshold = times;
    watched.publish(*news.step.cause, seen.place, seen.is_taken);
    if (seen.is_taken) { news.step.stack = capture_.stack(); }
    watched.publish_stack(news.step.stack, seen.trouble);
    news.suppressed = budget_.take_suppressed();
    report(news);
}

void stall_watchdog::implementation::report(const stall& news) {
    if (!options_.handler) {
        std::cerr << stall_text(news) << std::flush;
        return;
    }
    if (handler_failed_) { return; }
    try {
        options_.handler(news);
    } catch (const std::exception& failure) {
        handler_failed_ = true;
        std::cerr << "coroscope: the handler of a stall_watchdog threw; it is not called again: "
                  << failure.what() << std::endl;
    }
}

void stall_watchdog::implementation::tell_suppressed() {
    if (options_.handler) { return; }  // told with the next stall
    if (const auto number = budget_.take_suppressed(); number > 0) {
        std::cerr << "coroscope: " << number
                  << " suppressed: stalls beyond the reports that a minute may have" << std::endl;
    }
}

stall_watchdog::stall_watchdog(stall_watchdog_options options)
    : implementation_(std::make_unique<implementation>(std::move(options))) {}

stall_watchdog::~stall_watchdog() = default;

void stall_watchdog::attach_to(loop& l) {
    if (l.core().step_began == nullptr) {
        throw std::logic_error("a stall_watchdog cannot watch loop " + std::to_string(l.id())
                               + ", which does not measure its steps; make it with "
                                 "loop_options::time_stats on");
    }
    if (implementation_->find(l.id()) == nullptr) { implementation_->add(l); }
    l.add_observer(*this);
}

void stall_watchdog::detach_from(loop& l) noexcept {
    l.remove_observer(*this);
    implementation_->remove(l.id());
}

void stall_watchdog::set_threshold(std::optional<duration> threshold) {
    implementation_->set_threshold(threshold);
}

void stall_watchdog::set_reports_per_minute(std::uint32_t reports) {
    implementation_->set_reports_per_minute(reports);
}

stall_watchdog::counts stall_watchdog::so_far() const noexcept {
    return {implementation_->stalls.load(), implementation_->suppressed.load(),
            implementation_->thrown_away.load()};
}

std::optional<stall_evidence> stall_watchdog::evidence_of(std::uint32_t loop_id,
                                                          const step_record& step) {
    const auto watched = implementation_->find(loop_id);
    return watched != nullptr ? watched->evidence_of(step) : std::nullopt;
}

void stall_watchdog::complete_later(std::uint32_t loop_id, const step_record& step,
                                    const std::shared_ptr<slow_log>& log, std::uint64_t sequence) {
    if (const auto watched = implementation_->find(loop_id)) {
        watched->complete_later(step, log, sequence);
    }
}

// Sent when a run begins, on the thread that it runs on.
void stall_watchdog::on_slow_threshold(duration threshold) noexcept {
    const auto* running = coroscope::detail::running_loop;
    if (running == nullptr) { return; }
    const auto watched = implementation_->find(running->id);
    if (watched == nullptr) { return; }
    watched->note_thread(detail::thread_identity::of_this());
    watched->loops_threshold.store(threshold);
    implementation_->wake();
}

bool takes_native_stacks() noexcept {
    return detail::has_native_stacks();
}

}  // namespace coroscope::instrumentation
