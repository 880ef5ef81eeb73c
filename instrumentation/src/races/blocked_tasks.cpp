// SPDX-License-Identifier: Apache-2.0
#include "blocked_tasks.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

struct standstill_text {
    const char* rule;
    const char* cure;  ///< the end of the message
    const char* missing_order;
};

[[nodiscard]] const standstill_text& text_of(standstill kind) noexcept {
    static constexpr std::array<standstill_text, 4> texts{{
        {"await-cycle",
         ": each waits for the next, and none can go on. Let one of them end without the others.",
         "each awaits the end of the next, so that no order lets one of them end first"},
        {"lock-cycle",
         ": each waits for the next, and none can go on. Take the locks in one order everywhere, "
         "and await no task that needs a lock that is held.",
         "nothing orders the locks: each task holds what the next one waits for"},
        {"self-lock",
         ": it is not given back before this wait has ended, so that it never is. Unlock it "
         "first, or leave to the one that holds it what it is needed for.",
         "the unlocking comes after the wait for it, and had to come before"},
        {"all-blocked",
         ": nothing is ready, and nothing that could come is awaited, so that they wait for ever. "
         "Find who should have woken them.",
         "nothing that is still to come ends these waits"},
    }};
    return texts[static_cast<std::size_t>(kind)];
}

[[nodiscard]] std::string name_of(const awaiting_task& task) {
    return "task " + std::to_string(task.id) + " (" + task.name + ")";
}

[[nodiscard]] await_site stands_at(const awaiting_task& task) {
    return task.stack.empty() ? await_site() : task.stack.front();
}

[[nodiscard]] std::string wait_text(const awaiting_task& task) {
    const auto site = stands_at(task);
    auto text = name_of(task) + " waits for " + task.waits_on;
    if (task.holder != 0) { text += ", which task " + std::to_string(task.holder) + " holds,"; }
    if (site.line() != 0) { text += " at " + site_text(site); }
    return text;
}

void add_task(report::finding& to, const std::string& which, const awaiting_task& task) {
    to.evidence.push_back({which + " task",
                           name_of(task) + ", created at " + site_text(task.created_at),
                           position_of(task.created_at),
                           {}});
    if (task.holder == 0) {
        to.evidence.push_back({which + " waits for", task.waits_on, {}, {}});
    } else {
        to.evidence.push_back({which + " lock",
                               task.waits_on + ", asked for by task " + std::to_string(task.holder)
                                   + " at " + site_text(task.held_since),
                               position_of(task.held_since),
                               {}});
    }
    report::evidence_item waits{which + " wait", wait_text(task), position_of(stands_at(task)), {}};
    waits.stack.emplace();
    for (const auto& site : task.stack) {
        waits.stack->frames.push_back(to_frame(site));
    }
    to.evidence.push_back(std::move(waits));
}

}  // namespace

awaiting_task describe_task(const coroscope::detail::task_core& task) {
    const auto& record = task.record();
    awaiting_task made;
    made.id = task.id();
    made.name = display_name(task.id(), task.given_name());
    made.state = task.loop->current == &task ? task_state::running
                                             : record.state.load(std::memory_order_relaxed);
    if (task.waiting_on != nullptr) {
        const auto kind = record.waits_for.load(std::memory_order_relaxed);
        made.waits_on = to_string(kind);
        const auto object = wait_object_text(kind, record.wait_object.load());
        if (!object.empty()) { made.waits_on = object; }
        made.holder = task.waiting_on->held_by();
        made.held_since = task.waiting_on->held_since();
    }
    made.created_at = record.origin.load(std::memory_order_relaxed).call();
    for (const auto* frame = task.top; frame != nullptr; frame = frame->parent) {
        if (frame->site.line() != 0) { made.stack.push_back(frame->site); }
    }
    return made;
}

report::finding describe_standstill(standstill kind, report::verdict sure,
                                    const std::vector<awaiting_task>& members) {
    std::vector<awaiting_task> tasks;  // those first that want a lock
    for (const bool wants_lock : {true, false}) {
        std::ranges::copy_if(members, std::back_inserter(tasks), [wants_lock](const auto& task) {
            return (task.holder != 0) == wants_lock;
        });
    }
    const auto& text = text_of(kind);
    report::finding made;
    made.rule = text.rule;
    made.severity = report::severity::error;
    made.verdict = sure;
    std::vector<report::source_position> places;
    std::string separator;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        places.push_back(position_of(stands_at(tasks[i])));
        made.message += std::exchange(separator, "; ") + wait_text(tasks[i]);
        add_task(made, i == 0 ? "first" : i == 1 ? "other" : "next", tasks[i]);
    }
    made.message += text.cure;
    made.evidence.push_back({"missing order", text.missing_order, {}, {}});
    add_default_order(made);
    std::ranges::sort(places, {}, [](const auto& p) { return p.function + to_string(p); });
    made.where = places.front();
    made.fingerprint = make_fingerprint(made.rule, places);
    return made;
}

}  // namespace coroscope::instrumentation::detail
