// SPDX-License-Identifier: Apache-2.0
#include "thread_races.hpp"

#include "segment_numbers.hpp"

#include <algorithm>
#include <iterator>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t most_forgotten = std::size_t{1} << 16U;
constexpr std::size_t most_left = 64;

[[nodiscard]] std::uint64_t unit_of_job(std::uint64_t number) noexcept {
    return number + thread_races::loop_unit;
}

/// Of a job its number alone: that has its own creator.
[[nodiscard]] std::string creator_text(const unit_facts& who) {
    if ((who.agent.id & job_id_bit) == 0) { return unit_text(who); }
    return who.kind + (" " + std::to_string(who.agent.id & ~job_id_bit));
}

/// By its address, this thread: what it did comes before what it does.
constinit thread_local char this_thread_mark = 0;

}  // namespace

thread_races::thread_races(std::shared_ptr<race_log> log, std::size_t most_pages)
    : log_(std::move(log)),
      memory_(most_pages) {
    expect_forks_while_listening();
    units_.try_emplace(loop_unit);
}

// Lines are looked up without the lock: whoever does so elsewhere may come here meanwhile.
thread_races::entry::~entry() {
    auto found = std::exchange(in_.found_, {});
    lock_.unlock();
    for (const auto& each : found) {
        try {
            each(*in_.log_);
        } catch (...) { in_.log_->count_dropped(); }
    }
}

// --- Jobs

std::uint64_t thread_races::begin_job(std::string_view kind,
                                      const std::shared_ptr<const unit_facts>& by,
                                      await_site created_at) {
    const entry inside(*this);
    if (!has_jobs()) {
        auto& loop = units_[loop_unit];
        loop.locks = nullptr;
        for (const auto& each : loop_locks_) {
            take_lock(loop, each);
        }
    }
    return add_job(kind, loop_unit, by.get(), created_at);
}

std::uint64_t thread_races::begin_job_of(std::uint64_t creator, std::string_view kind,
                                         await_site created_at) {
    const entry inside(*this);
    const auto* const of = find_unit(creator);
    if (of == nullptr || creator == loop_unit) { return 0; }
    const auto by = of->who;
    return add_job(kind, creator, by.get(), created_at);
}

std::uint64_t thread_races::add_job(std::string_view kind, std::uint64_t creator,
                                    const unit_facts* by, await_site created_at) {
    const auto number = ++last_job_;
    const auto unit = unit_of_job(number);
    unit_facts facts{{number | job_id_bit, false}, {}, created_at, {}, kind.data()};
    if (by != nullptr) {
        facts.name = "of " + creator_text(*by);
        if (created_at.line() == 0) { facts.created_at = by->created_at; }
    }
    units_[unit].who = std::make_shared<unit_facts>(std::move(facts));
    end_part(units_[creator]);
    for (auto* clocks : clocks_) {
        clocks->spawn(creator, unit);
    }
    jobs_.fetch_add(1, std::memory_order_relaxed);
    return unit;
}

void thread_races::enter_thread(std::uint64_t unit) {
    const entry inside(*this);
    by_thread_.note(unit, &this_thread_mark, thread_order::acquire);
}

void thread_races::leave_thread(std::uint64_t unit) {
    const entry inside(*this);
    by_thread_.note(unit, &this_thread_mark, thread_order::release);
}

void thread_races::end_job(std::uint64_t unit, bool is_ordered) {
    const entry inside(*this);
    end_job_locked(unit, is_ordered);
}

void thread_races::leave_job(std::uint64_t unit) {
    const entry inside(*this);
    auto* const ended = find_unit(unit);
    if (ended == nullptr) { return; }
    end_part(*ended);
    left_.push_back(unit);
    if (left_.size() <= most_left) { return; }
    end_job_locked(left_.front(), false);
    left_.pop_front();
}

void thread_races::end_job_locked(std::uint64_t unit, bool is_ordered) {
    const auto ended = units_.find(unit);
    if (ended == units_.end()) { return; }
    end_part(ended->second);
    end_part(units_[loop_unit]);
    ended->second.who->has_ended.set();
    units_.erase(ended);
    for (auto* clocks : clocks_) {
        if (is_ordered) { clocks->order(unit, loop_unit); }
        clocks->end(unit);
    }
    const auto is_out = [&](std::uint64_t other) {
        return other != loop_unit && units_.contains(other);
    };
    report_if(
        [&](const met& each) { return !is_out(each.earlier->unit) && !is_out(each.later->unit); });
    if (jobs_.fetch_sub(1, std::memory_order_relaxed) != 1) { return; }
    forget_accesses();
    for (auto* clocks : clocks_) {
        clocks->forget_objects();
    }
}

// --- Units and their parts

thread_races::unit_state* thread_races::find_unit(std::uint64_t unit) {
    const auto found = units_.find(unit);
    return found != units_.end() ? &found->second : nullptr;
}

void thread_races::end_part(unit_state& of) noexcept {
    memory_.release(std::exchange(of.part, thread_memory::no_part));
}

// What is done under one acquisition of a mutex is one segment.
bool thread_races::begin_part(std::uint64_t unit, unit_state& of, const access_record& common) {
    end_part(of);
    auto record = std::make_shared<thread_record>();
    static_cast<access_record&>(*record) = common;
    record->unit = unit;
    record->locks = of.locks;
    if (of.benign.reason() != nullptr) { record->benign = of.benign.reason(); }
    record->order = next_order_;
    next_order_ += 2;  // for a read and a write that are kept without
    thread_stamp must;
    if (!must_.stamp(unit, must) || !by_job_.stamp(unit, record->by_job)
        || !by_thread_.stamp(unit, record->by_thread)) {
        log_->count_dropped();
        return false;
    }
    record->slot = must.slot;
    record->time = must.time;
    record->clock = std::move(must.clock);
    of.part = memory_.add_part(std::move(record));
    return true;
}

bool thread_races::has_part(std::uint64_t unit, unit_state& of) {
    if (of.part != thread_memory::no_part) { return true; }
    access_record common;
    common.who = of.who;
    common.segment = of.locks != nullptr ? of.locks->front().acquisition : next_segment_number();
    return begin_part(unit, of, common);
}

bool thread_races::has_loop_part(race_recorder& now) {
    auto& loop = units_[loop_unit];
    const auto at = now.now();
    if (at.key == 0) { return false; }
    const auto segment = now.segment_of(at);
    if (loop.part != thread_memory::no_part && loop.segment == segment) { return true; }
    loop.segment = segment;
    access_record common;
    now.locate(at, common, {});
    return begin_part(loop_unit, loop, common);
}

// --- What units do

void thread_races::note(std::uint64_t unit, const coroscope::detail::access& made) {
    const entry inside(*this);
    auto* const of = find_unit(unit);
    if (of != nullptr && has_part(unit, *of)) { note_bytes(of->part, made); }
}

std::uint64_t thread_races::note(std::uint64_t unit, const annotated_access& made) {
    const entry inside(*this);
    auto* const of = find_unit(unit);
    return of != nullptr && has_part(unit, *of) ? note_annotated(of->part, made) : 0;
}

void thread_races::note_on_loop(const coroscope::detail::access& made, race_recorder& now) {
    const entry inside(*this);
    if (has_loop_part(now)) { note_bytes(units_[loop_unit].part, made); }
}

void thread_races::note_on_loop(const annotated_access& made, race_recorder& now) {
    const entry inside(*this);
    if (has_loop_part(now)) { static_cast<void>(note_annotated(units_[loop_unit].part, made)); }
}

void thread_races::take_lock(unit_state& by, const taken_lock& taken) {
    auto locks =
        by.locks != nullptr ? std::make_shared<lock_set>(*by.locks) : std::make_shared<lock_set>();
    locks->push_back({taken.mutex, 0, next_segment_number(), 0, taken.at});
    locks->back().is_shared = taken.how == thread_lock::take_shared;
    by.locks = std::move(locks);
}

// A recursive one is taken several times.
std::optional<held_lock> thread_races::give_back_lock(unit_state& by, const void* mutex) {
    if (by.locks == nullptr) { return std::nullopt; }
    auto locks = std::make_shared<lock_set>(*by.locks);
    const auto last = std::find_if(locks->rbegin(), locks->rend(),
                                   [&](const held_lock& each) { return each.mutex == mutex; });
    if (last == locks->rend()) { return std::nullopt; }
    const auto given = *last;
    locks->erase(std::next(last).base());
    by.locks = locks->empty() ? nullptr : std::move(locks);
    return given;
}

// Who reads comes after who wrote, and before who writes, and in no order with others who read.
bool thread_races::note_lock(std::uint64_t unit, const void* mutex, thread_lock how,
                             await_site where) {
    const entry inside(*this);
    auto* const of = find_unit(unit);
    if (of == nullptr) { return false; }
    const auto* const readers = static_cast<const char*>(mutex) + 1;
    const auto note = [&](const void* object, thread_order order) {
        by_job_.note(unit, object, order);
        by_thread_.note(unit, object, order);
    };
    if (how == thread_lock::give_back) {
        const auto given = give_back_lock(*of, mutex);
        if (!given.has_value()) { return false; }
        end_part(*of);
        note(given->is_shared ? readers : mutex, thread_order::release);
        return true;
    }
    end_part(*of);
    take_lock(*of, {mutex, where, how});
    note(mutex, thread_order::acquire);
    if (how == thread_lock::take) { note(readers, thread_order::acquire); }
    return true;
}

// While no job is out it is enough to know them: each step of a loop takes some.
bool thread_races::note_lock_on_loop(const void* mutex, thread_lock how, await_site where) {
    if (how != thread_lock::give_back) {
        loop_locks_.push_back({mutex, where, how});
    } else {
        const auto last = std::find_if(loop_locks_.rbegin(), loop_locks_.rend(),
                                       [&](const taken_lock& each) { return each.mutex == mutex; });
        if (last != loop_locks_.rend()) { loop_locks_.erase(std::next(last).base()); }
    }
    return has_jobs() && note_lock(loop_unit, mutex, how, where);
}

void thread_races::note_order(std::uint64_t unit, const void* object, thread_order how) {
    const entry inside(*this);
    auto* const of = find_unit(unit);
    if (of == nullptr) { return; }
    end_part(*of);
    for (auto* clocks : clocks_) {
        clocks->note(unit, object, how);
    }
}

void thread_races::note_benign(std::uint64_t unit, const char* reason) {
    const entry inside(*this);
    auto* const of = find_unit(unit);
    if (of == nullptr) { return; }
    end_part(*of);
    of->benign.note(reason);
}

// --- Memory

void thread_races::forget(const void* begin, std::size_t bytes) {
    const entry inside(*this);
    forget_locked(begin, bytes);
}

void thread_races::forget_in_thread(const void* begin, std::size_t bytes) {
    const entry inside(*this);
    forget_locked(begin, bytes);
    if (forgotten_.size() == most_forgotten) {
        forgotten_ = {{nullptr, 0}};
        log_->count_dropped();
    }
    const bool is_too_much = !forgotten_.empty() && forgotten_.front().first == nullptr;
    if (!is_too_much) { forgotten_.emplace_back(begin, bytes); }
    has_forgotten_.store(true, std::memory_order_release);
}

std::vector<thread_races::range> thread_races::take_forgotten() {
    const entry inside(*this);
    has_forgotten_.store(false, std::memory_order_relaxed);
    return std::exchange(forgotten_, {});
}

void thread_races::forget_locked(const void* begin, std::size_t bytes) {
    const auto first = reinterpret_cast<std::uintptr_t>(begin);
    const auto end = first + bytes;
    report_if([&](const met& each) { return each.where >= first && each.where < end; });
    memory_.forget(first, bytes);
    variables_.erase(variables_.lower_bound(first), variables_.lower_bound(end));
    for (auto* clocks : clocks_) {
        clocks->forget(begin, bytes);
    }
}

void thread_races::forget_accesses() {
    report_if([](const met&) { return true; });
    variables_.clear();
    memory_.forget_all();
}

void thread_races::settle() {
    const entry inside(*this);
    report_if([](const met&) { return true; });
}

std::size_t thread_races::remembered() {
    const entry inside(*this);
    return variables_.size() + memory_.pages() + must_.objects() + by_thread_.objects();
}

}  // namespace coroscope::instrumentation::detail
