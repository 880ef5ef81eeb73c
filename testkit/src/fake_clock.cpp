// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/fake_clock.hpp>

#include "clock_watcher.hpp"

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

// The verbs, and how a move in progress is carried out; waiting for what is real is in
// clock_waiting.cpp.

namespace coroscope::testkit {

using coroscope::detail::running_loop;
using detail::clock_drive;
using kind = idle_action::kind;

fake_clock::fake_clock(time_point start)
    : now_(start.time_since_epoch().count()),
      start_(start),
      watcher_(std::make_unique<watcher>(*this)),
      external_(std::make_shared<external_work>()) {}

fake_clock::~fake_clock() = default;

void fake_clock::on_loop_opened(loop& opened) {
    if (loop_ != nullptr) {
        throw std::logic_error("a fake_clock drives one loop at a time: close loop "
                               + std::to_string(loop_->id())
                               + " first, or give the other loop a clock of its own");
    }
    loop_ = &opened;
    opened.add_observer(*watcher_);
    external_->mail = opened.core().mail;
}

void fake_clock::on_loop_closed(loop& closed) noexcept {
    closed.remove_observer(*watcher_);
    external_->mail.reset();
    loop_ = nullptr;
}

void fake_clock::restart() noexcept {
    now_.store(start_.time_since_epoch().count(), std::memory_order_release);
    wall_shift_.store(0, std::memory_order_release);
    end_of_time_.reset();
    waiting_since_.reset();
    given_up_on_ = 0;
    confirmed_stuck_ = false;
    further_.clear();
}

std::vector<time_point> fake_clock::pending_timers() const {
    return loop_ != nullptr ? loop_->pending_deadlines() : std::vector<time_point>();
}

// --- The calendar's time

std::chrono::sys_time<duration> fake_clock::wall_now() const noexcept {
    const time_point start(wall_start.time_since_epoch() + duration(wall_shift_.load()));
    return std::chrono::sys_time<duration>(saturating_add(start, elapsed()).time_since_epoch());
}

void fake_clock::set_wall_time(std::chrono::sys_time<duration> t) noexcept {
    wall_shift_.store((t - wall_start - elapsed()).count());
}

// --- Verbs

namespace {

[[nodiscard]] clock_drive drive_to(clock_drive::aim what) {
    clock_drive drive;
    drive.what = what;
    return drive;
}

void expect_forward(duration d, const char* verb) {
    if (d < duration::zero()) {
        throw std::invalid_argument(std::string("fake_clock::") + verb
                                    + " cannot go back: the length is " + std::to_string(d.count())
                                    + " ns");
    }
}

}  // namespace

clock_move fake_clock::advance(duration d, await_site where) {
    expect_forward(d, "advance");
    auto drive = drive_to(clock_drive::aim::instant);
    drive.target = std::min(saturating_add(now(), d), end);
    return start(drive, where);
}

clock_move fake_clock::advance_to_before(time_point t, await_site where) {
    if (t <= now()) {
        throw std::invalid_argument(
            "fake_clock::advance_to_before needs an instant in the future, but it is "
            + std::to_string((now() - t).count()) + " ns past that already");
    }
    auto drive = drive_to(clock_drive::aim::instant);
    drive.target = t - duration(1);
    return start(drive, where);
}

clock_move fake_clock::advance_to_next(await_site where) {
    return start(drive_to(clock_drive::aim::next_deadline), where);
}

clock_move fake_clock::jump(duration d, await_site where) {
    expect_forward(d, "jump");
    auto drive = drive_to(clock_drive::aim::jump);
    drive.by = d;
    return start(drive, where);
}

clock_move fake_clock::run_ready(await_site where) {
    return start(drive_to(clock_drive::aim::settled), where);
}

clock_move fake_clock::run_until_idle(await_site where) {
    return start(drive_to(clock_drive::aim::idle), where);
}

clock_move fake_clock::run_to_last(await_site where) {
    return start(drive_to(clock_drive::aim::last_deadline), where);
}

/// Outside of the loop: carries the move out. Inside a task: leaves that to the `co_await`.
clock_move fake_clock::start(const clock_drive& drive, await_site where) {
    const auto* running = running_loop;
    if (running == nullptr || loop_ == nullptr) {
        auto carried_out = drive;
        run_outside(carried_out);
        return {*this, drive, true, where};
    }
    if (running->self != loop_) {
        throw std::logic_error("the fake clock of loop " + std::to_string(loop_->id())
                               + " was told to move by loop " + std::to_string(running->id) + " ("
                               + to_string(where) + "); a loop moves its own clock only");
    }
    if (running->current == nullptr) {
        throw std::logic_error("a fake clock was told to move inside a callback ("
                               + to_string(where) + "), which cannot wait; do it in a task");
    }
    return {*this, drive, false, where};
}

void fake_clock::run_outside(clock_drive& drive) {
    if (loop_ == nullptr) {  // a clock without a loop: nothing can be due
        if (drive.what == clock_drive::aim::next_deadline) {
            throw invalid_state_error("fake_clock::advance_to_next: no timer is armed");
        }
        move_to(std::max(drive.target, saturating_add(now(), drive.by)));
        return;
    }
    struct listed {
        fake_clock& clock;
        clock_drive& drive;
        listed(fake_clock& c, clock_drive& d) : clock(c), drive(d) { clock.enlist(drive); }
        listed(const listed&) = delete;
        listed& operator=(const listed&) = delete;
        ~listed() {
            clock.drop(drive);
            clock.outside_done_ = false;
        }
    };
    {
        const listed scope(*this, drive);
        loop_->run_forever();
    }
    if (!drive.done && drive.failure == nullptr) {
        drive.failure = std::make_exception_ptr(
            broken_loop_error("the loop was stopped before its fake clock had moved all the way"));
    }
    finish(drive);
}

void fake_clock::drop(const clock_drive& drive) noexcept {
    std::erase(drives_, &drive);
    if (!drive.done) {  // nobody will throw these: the test runner asks for them
        further_.insert(further_.end(), drive.thrown.begin(), drive.thrown.end());
    }
}

/// Throws what the move has to throw.
void fake_clock::finish(clock_drive& drive) {
    if (drive.failure != nullptr) { std::rethrow_exception(drive.failure); }
    if (drive.thrown.empty()) { return; }
    const auto first = drive.thrown.front();
    further_.assign(drive.thrown.begin() + 1, drive.thrown.end());
    std::rethrow_exception(first);
}

std::vector<std::exception_ptr> fake_clock::further_exceptions() {
    return std::exchange(further_, {});
}

std::vector<std::exception_ptr> fake_clock::take_unseen_exceptions() noexcept {
    return std::exchange(further_, {});
}

bool fake_clock::has_taken(const std::exception_ptr& exception) const noexcept {
    return !drives_.empty()
           && std::ranges::find(drives_.front()->thrown, exception)
                  != drives_.front()->thrown.end();
}

// --- Moves in progress

idle_action fake_clock::on_idle(const idle_state& state) {
    if (watcher_->take_progress()) {
        waiting_since_.reset();
        confirmed_stuck_ = false;
    }
    if (settle_drives(state)) { return after_move(); }
    const auto next = next_instant(state);
    if (const auto action = wait_for_external(state, next)) { return *action; }
    if (next.has_value()) { return go_to(*next); }
    if (complete_idle_drives()) { return after_move(); }
    return stuck(state);
}

idle_action fake_clock::after_move() noexcept {
    idle_action action;
    action.what = outside_done_ ? kind::quit : kind::advanced;
    return action;
}

void fake_clock::move_to(time_point t) noexcept {
    const auto to = std::min(std::max(t, now()), end);
    now_.store(to.time_since_epoch().count(), std::memory_order_release);
}

idle_action fake_clock::go_to(time_point next) {
    if (supervisor_ != nullptr && end_of_time_.has_value() && next > *end_of_time_) {
        move_to(*end_of_time_);
        supervisor_->on_end_of_time();
    } else {
        move_to(next);
    }
    return after_move();
}

/// Nothing is ready: ends the moves that have reached their aim. True if something changed.
bool fake_clock::settle_drives(const idle_state& state) {
    bool changed = false;
    for (auto* drive : drives_) {
        changed = settle(*drive, state) || changed;
    }
    std::erase_if(drives_, [](const auto* drive) { return drive->done; });
    return changed;
}

bool fake_clock::settle(clock_drive& drive, const idle_state& state) {
    using aim = clock_drive::aim;
    switch (drive.what) {
    case aim::settled: break;
    case aim::instant:
        if (now() < drive.target) { return false; }
        break;
    case aim::next_deadline:
        if (state.next_deadline.has_value()) {
            drive.what = aim::instant;
            drive.target = *state.next_deadline;
            return false;
        }
        drive.failure = std::make_exception_ptr(
            invalid_state_error("fake_clock::advance_to_next: no timer is armed"));
        break;
    case aim::last_deadline: {
        const auto deadlines = pending_timers();
        drive.what = aim::instant;
        drive.target = deadlines.empty() ? now() : deadlines.back();
        return settle(drive, state);
    }
    case aim::idle:
        if (is_foreground_work_left(state)) { return false; }
        break;
    case aim::jump:
        move_to(saturating_add(now(), drive.by));
        loop_->clock_moved();
        drive.what = aim::settled;
        return true;
    }
    complete(drive);
    return true;
}

void fake_clock::complete(clock_drive& drive) noexcept {
    drive.done = true;
    if (drive.waiting != nullptr) {
        drive.waiting->wake();
    } else {
        outside_done_ = true;
    }
}

/// Nothing more can happen: moves that wait for idleness have it.
bool fake_clock::complete_idle_drives() noexcept {
    bool changed = false;
    for (auto* drive : drives_) {
        if (drive->what == clock_drive::aim::idle) {
            complete(*drive);
            changed = true;
        }
    }
    std::erase_if(drives_, [](const auto* drive) { return drive->done; });
    return changed;
}

bool fake_clock::is_foreground_work_left(const idle_state& state) const noexcept {
    bool has_background = false;
    for (const auto* task = loop_->core().first_task; task != nullptr; task = task->next) {
        if (supervisor_ != nullptr && supervisor_->is_background(task->id())) {
            has_background = true;
        } else if (task->record().waits_for.load(std::memory_order_relaxed) != wait_kind::clock) {
            return true;
        }
    }
    return !has_background && (state.next_deadline.has_value() || state.jobs > 0);
}

/// Where virtual time is to go from here: the nearest instant that a move or a timer asks for.
std::optional<time_point> fake_clock::next_instant(const idle_state& state) const noexcept {
    if (drives_.empty()) { return autojump_ ? state.next_deadline : std::nullopt; }
    auto nearest = state.next_deadline;
    bool moves_time = false;
    for (const auto* drive : drives_) {
        if (drive->what == clock_drive::aim::instant) {
            moves_time = true;
            nearest = nearest.has_value() ? std::min(*nearest, drive->target) : drive->target;
        } else if (drive->what == clock_drive::aim::idle) {
            moves_time = true;
        }
    }
    return moves_time ? nearest : std::nullopt;
}

}  // namespace coroscope::testkit
