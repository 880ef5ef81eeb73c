// SPDX-License-Identifier: Apache-2.0
#include "lint_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <array>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

using report::severity;
using report::source_position;
using report::verdict;

report::finding start(lint_rule rule, severity how_bad, source_position where,
                      std::string_view what = {}) {
    report::finding made;
    made.rule = to_string(rule);
    made.severity = how_bad;
    made.where = std::move(where);
    made.fingerprint = make_fingerprint(made.rule, std::array{made.where}, what);
    return made;
}

void add(report::finding& to, const char* label, std::string text, const await_site& site = {}) {
    if (text.empty() && site.line() == 0) { return; }
    auto position = position_of(site);
    if (text.empty()) { text = position.function; }
    to.evidence.push_back({label, std::move(text), std::move(position), {}});
}

std::string place(const source_position& position) {
    if (position.empty()) { return "an unknown place"; }
    return to_string(position) + " in " + position.function;
}

std::string place(const await_site& site) {
    return place(position_of(site));
}

std::string doer(const remark& made) {
    return made.task_id != 0 ? task_text(made.task_id, made.task_name) : "a callback";
}

}  // namespace

std::string task_text(std::uint64_t id, std::string_view name) {
    auto text = "task " + std::to_string(id);
    if (!name.empty()) { text += " (" + std::string(name) + ")"; }
    return text;
}

report::finding never_awaited(const remark& made, source_position function) {
    auto where = position_of(made.site);
    auto found = start(lint_rule::never_awaited, severity::error,
                       where.empty() ? function : std::move(where), function.function);
    found.message = (function.function.empty() ? std::string("a coroutine")
                                               : "the coroutine " + function.function)
                    + " was created and dropped without having been awaited, so that nothing of it "
                      "ran; "
                    + doer(made) + " dropped it, after " + place(made.site)
                    + ". Write co_await before the call, or give it to create_task.";
    add(found, "task created at", {}, made.created_at);
    if (!function.function.empty() || !function.file.empty()) {
        found.evidence.push_back({"coroutine", function.function, function, {}});
    }
    return found;
}

report::finding destroyed_pending(const remark& made) {
    auto found =
        start(lint_rule::destroyed_pending, severity::warning, position_of(made.created_at));
    found.message = task_text(made.task_id, made.task_name)
                    + " was destroyed while it was pending, because its loop was closed; it "
                    + (made.site.line() != 0 ? "stood at " + place(made.site)
                                             : std::string("had not begun"))
                    + ". Await or cancel it before the loop is closed: run() does so at its end, a "
                      "task_group at the end of its scope.";
    add(found, "created at", {}, made.created_at);
    add(found, "stood at", {}, made.site);
    return found;
}

report::finding lost_exception(const remark& made) {
    const auto whose = made.task_id != 0 ? task_text(made.task_id, made.task_name)
                                         : "future " + std::to_string(made.object_id);
    auto found = start(lint_rule::lost_exception, severity::error, position_of(made.created_at));
    found.message = "the exception of " + whose + ", created at " + place(made.created_at)
                    + ", was never retrieved: " + std::string(made.text)
                    + ". co_await it, ask for its result(), or start it in a task_group.";
    add(found, "created at", {}, made.created_at);
    return found;
}

report::finding wrong_thread(const remark& made) {
    auto found = start(lint_rule::wrong_thread, severity::error, {}, made.what);
    found.message = std::string(made.text) + ".";
    add(found, "call", made.what);
    return found;
}

report::finding failed_attempts(const remark& made, std::uint32_t times) {
    auto found = start(lint_rule::busy_loop, severity::warning, position_of(made.site));
    found.message = doer(made) + " polls: " + made.what + " failed on queue "
                    + std::to_string(made.object_id) + " in " + std::to_string(times)
                    + " steps in a row, and it waited for nothing between them, at "
                    + place(made.site) + ". Await "
                    + (std::string_view(made.what).ends_with("get_nowait") ? "get()" : "put()")
                    + " instead.";
    add(found, "task created at", {}, made.created_at);
    add(found, "attempts", std::to_string(times) + " of " + made.what);
    return found;
}

report::finding reads_on(const remark& made) {
    auto found = start(lint_rule::busy_loop, severity::error, position_of(made.site));
    found.message = doer(made) + " reads on at the end of the stream from " + std::string(made.text)
                    + ", " + std::to_string(made.amount)
                    + " times since a read first gave nothing, at " + place(made.site)
                    + ". An empty read is the end: leave the loop there.";
    add(found, "task created at", {}, made.created_at);
    add(found, "stream", std::string(made.text));
    return found;
}

report::finding never_yields(const remark& made, std::uint32_t times) {
    auto found = start(lint_rule::never_yields, severity::note, position_of(made.site));
    found.message = doer(made) + " has passed " + place(made.site) + " " + std::to_string(times)
                    + " times in one step: what it awaits is free each time, so that it never "
                      "suspends and nothing else runs. co_await yield_now(), or a sleep, in each "
                      "round.";
    add(found, "task created at", {}, made.created_at);
    add(found, "operation", made.what);
    return found;
}

report::finding mutex_across_suspension(const remark& made, source_position locker) {
    auto found = start(lint_rule::mutex_across_suspension, severity::error, position_of(made.site));
    found.message = doer(made) + " held a lock of its thread (a std::mutex, say) across the co_await at "
                    + place(made.site)
                    + ": it was taken in a step before. Another task of this loop that wants it "
                      "blocks the loop, and with it the one that could unlock it. Unlock it before "
                      "the co_await, or use a coroscope::mutex.";
    add(found, "task created at", {}, made.created_at);
    add(found, "noticed in", made.what);
    if (!locker.function.empty()) {
        auto text = locker.function;
        found.evidence.push_back({"locked in", std::move(text), std::move(locker), {}});
    }
    return found;
}

report::finding huge_frame(const remark& made) {
    auto found = start(lint_rule::huge_frame, severity::note, position_of(made.site));
    found.message = "a coroutine that " + doer(made) + " called after " + place(made.site)
                    + " has a frame of " + std::to_string(made.amount)
                    + " bytes. What lives across a co_await lies in the frame: put large arrays on "
                      "the heap, or into a function that does not await.";
    add(found, "task created at", {}, made.created_at);
    add(found, "bytes", std::to_string(made.amount));
    return found;
}

report::finding spinning(const spinner& who, const std::string& name, await_site created_at) {
    const auto rule = who.at_several_sites ? lint_rule::self_waking : lint_rule::busy_loop;
    auto found = start(rule, severity::warning, position_of(who.site));
    const auto times = std::to_string(who.times);
    if (who.task == 0) {
        found.message = "a callback sets itself again in each pass of the loop, " + times
                        + " times in a row, at " + place(who.site)
                        + ". Wait for what it polls for: a future, an event, a condition.";
    } else if (who.at_several_sites) {
        found.message = name + " made itself ready again at the end of " + times
                        + " steps in a row and did next to nothing in them, at last at "
                        + place(who.site)
                        + ". Wait for an event, a condition or a time instead; if it splits a "
                          "computation, do more between two yields.";
    } else {
        found.message = name + " came back " + times
                        + " times in a row without having waited for anything, to "
                        + place(who.site)
                        + ". Wait for what it polls for: an event, a condition, a queue's get(), a "
                          "sleep of more than zero; if it splits a computation, do more between two "
                          "yields.";
    }
    add(found, "task created at", {}, created_at);
    add(found, "turns", times + " in a row");
    return found;
}

report::finding task_growth(await_site created_at, std::size_t at_site, std::size_t in_all,
                            await_site waits_at) {
    auto found = start(lint_rule::task_growth, severity::warning, position_of(created_at));
    found.verdict = verdict::predicted;
    found.message = std::to_string(at_site) + " unfinished tasks (of " + std::to_string(in_all)
                    + ") were created at " + place(created_at)
                    + ", and they become more and more; most wait at " + place(waits_at)
                    + ". If they should end, find out why they do not; if so many may come, bound "
                      "them: a semaphore, a queue with a capacity.";
    add(found, "created at", {}, created_at);
    add(found, "most wait at", {}, waits_at);
    add(found, "tasks", std::to_string(at_site) + " of " + std::to_string(in_all));
    return found;
}

report::finding timer_flood(await_site armed_at, std::size_t at_site, std::size_t in_all) {
    auto found = start(lint_rule::timer_flood, severity::warning, position_of(armed_at));
    found.message = std::to_string(at_site) + " timers (of " + std::to_string(in_all)
                    + ") are armed at " + place(armed_at)
                    + ". Cancel timers that are not needed any more, or keep one for all: a task "
                      "that sleeps until the next of the deadlines.";
    add(found, "timers", std::to_string(at_site) + " of " + std::to_string(in_all));
    return found;
}

report::finding never_resumable(const task_info& task, await_site waits_at,
                                const std::string& why) {
    auto found = start(lint_rule::never_resumable, severity::error, position_of(waits_at));
    found.verdict = verdict::predicted;
    found.message = task_text(task.id, task.name) + " can never go on: at " + place(waits_at)
                    + " it waits for " + why
                    + ". Keep what is to end the wait, or wait with a timeout (wait_for).";
    add(found, "task created at", {}, task.created_at);
    add(found, "waits for", why);
    return found;
}

}  // namespace coroscope::instrumentation::detail
