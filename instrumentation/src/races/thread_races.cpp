// SPDX-License-Identifier: Apache-2.0
#include "thread_races.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t records_of_a_variable = 16;

[[nodiscard]] bool hold_one_mutex(const access_record& a, const access_record& b) {
    if (a.locks == nullptr || b.locks == nullptr) { return false; }
    return std::ranges::any_of(*a.locks, [&](const held_lock& one) {
        return std::ranges::any_of(*b.locks, [&](const auto& o) { return o.mutex == one.mutex; });
    });
}

[[nodiscard]] report::finding describe_race(const access_record& earlier,
                                            const access_record& later,
                                            const variable_label& label) {
    const auto did = [](const access_record& a) {
        return std::string(a.is_write() ? "wrote" : "read");
    };
    report::finding made;
    made.rule = "thread-race";
    made.severity = report::severity::error;
    made.verdict = report::verdict::predicted;
    made.where = place_of_access(later);
    made.fingerprint = make_fingerprint(made.rule, std::array{place_of_access(earlier), made.where},
                                        label.name != nullptr ? label.name : "");
    made.message = unit_text(*earlier.who) + " " + did(earlier) + " " + label_text(label) + " at "
                   + site_text(earlier.where) + ", and " + unit_text(*later.who) + " "
                   + did(later) + " it at " + site_text(later.where)
                   + ", in two threads that nothing orders. Hold a watched_mutex for both, or let "
                     "the loop do it when the job's result has come.";
    made.evidence.push_back({"variable", label_text(label), position_of(label.created_at), {}});
    add_unit(made, "first task", *earlier.who);
    add_unit(made, "other task", *later.who);
    add_stack(made, "first access", did(earlier) + " at " + site_text(earlier.where), earlier);
    made.evidence.push_back({"await between", "none: they run at the same time", {}, {}});
    add_stack(made, "second access", did(later) + " at " + site_text(later.where), later);
    made.evidence.push_back({"missing order",
                             "no mutex that both hold, and neither the job's beginning nor its end "
                             "lies between the two",
                             {},
                             {}});
    add_default_order(made);
    return made;
}

}  // namespace

/// Listens in the job's thread while the job runs there.
class thread_races::job final : public coroscope::detail::followed_job,
                                public coroscope::detail::access_sink,
                                public annotation_sink {
public:
    job(std::shared_ptr<thread_races> in, std::uint64_t key,
        std::shared_ptr<const unit_facts> who) noexcept
        : in_(std::move(in)),
          key_(key),
          who_(std::move(who)) {}

    // On the executor's thread; a serial one may be the loop's own.
    void begin() noexcept override {
        outer_access_ = std::exchange(coroscope::detail::access_listener, this);
        outer_annotation_ = std::exchange(annotation_listener, this);
        outer_segment_ = std::exchange(current_segment, 0);
    }
    void end() noexcept override {
        coroscope::detail::access_listener = outer_access_;
        annotation_listener = outer_annotation_;
        current_segment = outer_segment_;
    }
    void deliver() noexcept override {
        guarded([&] {
            const std::scoped_lock lock(in_->mutex_);
            in_->units_.order(key_, loop_key);
            in_->units_.end(key_);
        });
    }

    void on_access(const coroscope::detail::access&) noexcept override {}
    void on_end_of_life(const void* begin, std::size_t) noexcept override {
        guarded([&] { in_->forget(begin); });
    }
    std::uint64_t on_annotated_access(const annotated_access& made) noexcept override {
        std::uint64_t segment = 0;
        guarded([&] {
            const std::scoped_lock lock(in_->mutex_);
            segment = in_->note(key_, made, who_);
        });
        return segment;
    }
    void on_value_used(const provenance& from, value_use how) noexcept override {
        guarded([&] {
            const std::scoped_lock lock(in_->mutex_);
            in_->note_value_used(from, how);
        });
    }
    void on_thread_lock(const void* mutex, bool is_taken, await_site where) noexcept override {
        guarded([&] {
            const std::scoped_lock lock(in_->mutex_);
            in_->note_lock(key_, mutex, is_taken, where);
        });
    }
    void on_cell_gone(const variable_cell&) noexcept override {}
    void on_group(const void*, const variable_label&,
                  std::span<const void* const>) noexcept override {}
    void on_group_gone(const void*) noexcept override {}
    void on_benign(const char* reason) noexcept override {
        guarded([&] {
            const std::scoped_lock lock(in_->mutex_);
            in_->units_.at(key_).benign = reason;
        });
    }
    void on_life(const void*, const variable_label&, life_event, await_site) noexcept override {}
    void on_claim(const void*, await_site) noexcept override {}
    void on_breach(const breach&) noexcept override {}

private:
    template <class F>
    void guarded(F&& f) noexcept {
        const coroscope::detail::own_accesses inside;
        try {
            f();
        } catch (...) { in_->log_->count_dropped(); }
    }

    std::shared_ptr<thread_races> in_;
    std::uint64_t key_;
    std::shared_ptr<const unit_facts> who_;
    coroscope::detail::access_sink* outer_access_ = nullptr;
    annotation_sink* outer_annotation_ = nullptr;
    std::uint64_t outer_segment_ = 0;
};

std::shared_ptr<coroscope::detail::followed_job> thread_races::follow(
    std::shared_ptr<const unit_facts> by) {
    const std::scoped_lock lock(mutex_);
    has_jobs_ = true;
    const auto number = next_number_++;
    unit_facts facts{{number, false}, {}, {}, {}, job_kind.data()};
    if (by != nullptr) {
        facts.name = "of " + unit_text(*by);
        facts.created_at = by->created_at;
    }
    const auto key = race_units::key_of(facts.agent) + 2;  // not the loop's
    units_.spawn(loop_key, key);
    return std::make_shared<job>(shared_from_this(), key,
                                 std::make_shared<const unit_facts>(std::move(facts)));
}

void thread_races::note_on_loop(const annotated_access& made,
                                const std::shared_ptr<const unit_facts>& by) {
    const std::scoped_lock lock(mutex_);
    if (has_jobs_ && by != nullptr) { static_cast<void>(note(loop_key, made, by)); }
}

void thread_races::note_lock_on_loop(const void* mutex, bool is_taken, await_site where) {
    const std::scoped_lock lock(mutex_);
    note_lock(loop_key, mutex, is_taken, where);
}

void thread_races::forget(const void* object) {
    const std::scoped_lock lock(mutex_);
    variables_.erase(object);
}

// What is done under one acquisition of a mutex is one segment.
std::uint64_t thread_races::note(std::uint64_t key, const annotated_access& made,
                                 const std::shared_ptr<const unit_facts>& who) {
    auto& unit = units_.at(key);
    auto& in = variables_[made.object];
    if (in.label.name == nullptr) { in.label = made.label; }
    auto record = std::make_shared<access_record>();
    record->who = who;
    record->locks = unit.locks;
    record->segment = unit.locks != nullptr ? unit.locks->front().acquisition : next_number_++;
    record->order = next_number_++;
    record->kind = made.kind;
    record->value = made.value;
    record->derived_from = made.from.object == made.object ? made.from.segment : 0;
    record->where = made.where;
    record->benign = unit.benign;
    if (!units_.stamp(unit, *record)) { return 0; }
    record->clock.raise(record->slot.slot(), record->time);
    if (made.from.object != nullptr) { note_value_used(made.from, value_use::computed); }
    const auto previous = std::find_if(in.records.rbegin(), in.records.rend(), [&](const auto& r) {
        return r->slot.slot() == record->slot.slot() && r->segment != record->segment
               && !r->is_write();
    });
    if (record->is_write() && previous != in.records.rend()) { record->previous = *previous; }
    judge(in, *record);
    if (in.records.size() == records_of_a_variable) {
        in.records.front()->previous = nullptr;
        in.records.erase(in.records.begin());
    }
    in.records.push_back(record);
    return record->segment;
}

void thread_races::note_value_used(const provenance& from, value_use how) {
    const auto in = variables_.find(from.object);
    if (in == variables_.end()) { return; }
    for (const auto& each : in->second.records) {
        if (each->segment != from.segment || each->is_write()) { continue; }
        (how == value_use::tested ? each->is_tested : each->is_computed) = true;
    }
}

void thread_races::note_lock(std::uint64_t key, const void* mutex, bool is_taken,
                             await_site where) {
    auto& unit = units_.at(key);
    auto locks = unit.locks != nullptr ? std::make_shared<lock_set>(*unit.locks)
                                       : std::make_shared<lock_set>();
    if (is_taken) {
        locks->push_back({mutex, 0, next_number_++, 0, where});
    } else {
        std::erase_if(*locks, [&](const held_lock& each) { return each.mutex == mutex; });
    }
    units_.set_locks(unit, locks->empty() ? nullptr : std::move(locks));
}

void thread_races::judge(const variable& in, const access_record& latest) {
    for (const auto& each : in.records) {
        if (each->slot.slot() == latest.slot.slot() || comes_before(*each, latest)) { continue; }
        judge_pair(in, *each, latest);
        if (latest.previous != nullptr) { judge_triple(in, {*latest.previous, *each, latest}); }
        if (each->previous != nullptr) { judge_triple(in, {*each->previous, latest, *each}); }
    }
}

void thread_races::judge_pair(const variable& in, const access_record& earlier,
                              const access_record& later) {
    const bool conflict = earlier.is_write() || later.is_write();
    if (!conflict || hold_one_mutex(earlier, later)) { return; }
    if (earlier.benign != nullptr || later.benign != nullptr) {
        log_->count_benign();
        return;
    }
    log_->add(race_key(4000, earlier.where, later.where), [&] {
        return race_candidate{describe_race(earlier, later, in.label), {}};
    });
}

// Where nothing orders two accesses, that is told already.
void thread_races::judge_triple(const variable& in, const access_triple& of) {
    const bool is_locked =
        hold_one_mutex(of.first, of.other) && hold_one_mutex(of.other, of.second);
    const auto rule = judge_variable(of);
    const bool is_stale = rule == race_rule::stale_write || rule == race_rule::check_then_act;
    if (!is_locked || !is_stale || !can_come_between(of)) { return; }
    if (of.first.benign != nullptr || of.other.benign != nullptr || of.second.benign != nullptr) {
        log_->count_benign();
        return;
    }
    log_->add(race_key(5000 + static_cast<std::uint64_t>(rule), of.first.where, of.second.where),
              [&] {
                  return race_candidate{describe_triple({rule, of, in.label, in.label}), {}};
              });
}

}  // namespace coroscope::instrumentation::detail
