// SPDX-License-Identifier: Apache-2.0
#include "wake_watch.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <coroscope/runtime/detail/task_core.hpp>

#include <array>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {

using coroscope::detail::access_kind;

void wake_watch::note(const coroscope::detail::access& made) {
    const auto at = recorder_.now();
    if (at.key == 0) { return; }
    if (made.kind == access_kind::test) {
        glances_[at.key] = {made.object, signals_given_};
    } else if (made.kind == access_kind::release) {
        note_signal(made);
    }
}

void wake_watch::note_signal(const coroscope::detail::access& made) {
    if (signals_.size() == most_signals && !signals_.contains(made.object)) {
        log_.count_dropped();
        return;
    }
    auto where = made.where;
    const auto* task = coroscope::detail::running_loop->current.get();
    if (where.line() == 0 && task != nullptr && task->top != nullptr) {
        where = task->top->site;  // the last await before it
    }
    auto by = std::make_shared<access_record>();
    recorder_.locate(recorder_.now(), *by, where);
    signals_[made.object] = {++signals_given_, std::move(by)};
}

void wake_watch::note_hang(const coroscope::detail::loop_core& in) {
    for (const auto* task = in.first_task; task != nullptr; task = task->next) {
        const auto kind = task->record().waits_for.load(std::memory_order_relaxed);
        const bool is_signalled = kind == wait_kind::condition || kind == wait_kind::event;
        const auto last = glances_.find(race_units::key_of({task->id(), true}));
        if (!is_signalled || last == glances_.end() || task->waiting_on == nullptr) { continue; }
        const auto signal = signals_.find(last->second.object);
        const bool was_missed = signal != signals_.end()
                                && signal->second.number <= last->second.signals
                                && signal->second.by->who->agent.id != task->id();
        if (was_missed) { report(*task, *signal->second.by); }
    }
}

void wake_watch::report(const coroscope::detail::task_core& waiter, const access_record& signal) {
    const auto& record = waiter.record();
    const auto kind = record.waits_for.load(std::memory_order_relaxed);
    const auto what = wait_object_text(kind, record.wait_object.load(std::memory_order_relaxed));
    const auto origin = record.origin.load(std::memory_order_relaxed);
    const unit_facts who{
        {waiter.id(), true}, std::string(waiter.given_name()), origin.call(), origin};
    const auto waits_at = waiter.top->site;
    const auto make = [&] {
        report::finding made;
        made.rule = "lost-wakeup";
        made.severity = report::severity::error;
        made.verdict = report::verdict::confirmed;
        made.where = position_of(waits_at);
        made.fingerprint =
            make_fingerprint(made.rule, std::array{place_of_access(signal), made.where});
        made.message = unit_text(who) + " waits for ever for a signal of " + what + " at "
                       + site_text(waits_at) + ": " + unit_text(*signal.who)
                       + " had given it, after " + site_text(signal.where)
                       + ", before it waited. Test under the mutex what the signal is about, and "
                         "wait only if it has not happened.";
        made.evidence.push_back({"variable", what, {}, {}});
        add_unit(made, "first task", *signal.who);
        add_unit(made, "other task", who);
        add_stack(made, "first access", "signalled after " + site_text(signal.where), signal);
        made.evidence.push_back({"await between",
                                 "the signal came before it awaited at " + site_text(waits_at),
                                 made.where,
                                 {}});
        report::evidence_item waits{"second access", "waits at " + site_text(waits_at), made.where,
                                    report::stack()};
        for (const auto* frame = waiter.top; frame != nullptr; frame = frame->parent) {
            waits.stack->frames.push_back(to_frame(frame->site));
        }
        made.evidence.push_back(std::move(waits));
        made.evidence.push_back(
            {"missing order", "nothing lets the waiting begin before the signal is given", {}, {}});
        add_default_order(made);
        return made;
    };
    log_.add(race_key("lost-wakeup", signal.where, waits_at), [&] {
        return race_candidate{make(), {}};
    });
}

}  // namespace coroscope::instrumentation::detail
