// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/critical_path.hpp>

#include "flight_history.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation {
namespace {

constexpr std::size_t most_wakes_followed = 1'000;

/// A stretch of time that is one task's to explain.
struct stretch {
    std::uint64_t task = 0;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::size_t explains = path_wait::none;  ///< in `critical_path::waits`
    std::size_t wakes = 0;                   ///< how many were followed to get here
};

/// What ended a task's wait, or will.
struct wait_end {
    std::uint64_t stamp = 0;
    std::uint64_t by = 0;
    wait_kind kind = wait_kind::nothing;
};

/// Walks back through what the recorder knows, the last first. What is left to do is a stack, since
/// chains of tasks may be longer than the thread's stack is deep.
class walk {
public:
    walk(const flight_history& history, critical_path& path, std::uint64_t begin)
        : history_(history),
          path_(path),
          begin_(begin) {}

    void follow(std::uint64_t task, std::uint64_t until) {
        left_.push_back({task, begin_, until, path_wait::none, 0});
        while (!left_.empty()) {
            auto next = left_.back();
            left_.pop_back();
            explain(next);
        }
        std::reverse(path_.pieces.begin(), path_.pieces.end());
    }

private:
    void explain(stretch& s);
    void explain_pause(const task_story& story, stretch& s, std::size_t steps_before);
    void explain_before(const task_story& story, stretch& s);
    void explain_wait(stretch& s, std::uint64_t from, const wait_end& end, await_site at);
    void add_without_task(const stretch& s, std::uint64_t from, const wait_end& end, await_site at);
    void add(stretch& s, std::uint64_t from, path_state state, await_site at,
             wait_kind kind = wait_kind::nothing);
    void add_callback(const stretch& s, std::uint64_t from, await_site at);
    [[nodiscard]] path_piece piece(const stretch& s, std::uint64_t from, path_state state,
                                   await_site at) const;
    [[nodiscard]] std::optional<wait_end> end_of_pause(const task_story& story, std::uint64_t from,
                                                       std::size_t steps_before) const;

    const flight_history& history_;
    critical_path& path_;
    const std::uint64_t begin_;
    std::vector<stretch> left_;
};

/// The number of steps that began before a moment.
[[nodiscard]] std::size_t steps_before(const task_story& story, std::uint64_t moment) {
    const auto after =
        std::lower_bound(story.steps.begin(), story.steps.end(), moment,
                         [](const told_step& s, std::uint64_t at) { return s.begin < at; });
    return static_cast<std::size_t>(after - story.steps.begin());
}

void walk::explain(stretch& s) {
    const auto* story = history_.find(s.task);
    if (story == nullptr) {
        add(s, s.from, path_state::not_recorded, {});
        return;
    }
    while (s.to > s.from) {
        const auto before = steps_before(*story, s.to);
        if (before == 0 && story->created && s.to <= *story->created) {
            explain_before(*story, s);
            return;
        }
        const auto* step = before == 0 ? nullptr : &story->steps[before - 1];
        // What a task does by ending comes after its last step.
        if (step != nullptr
            && (step->end >= s.to || (story->ended && before == story->steps.size()))) {
            add(s, std::max(s.from, step->begin), path_state::running, step->from);
        } else {
            explain_pause(*story, s, before);
        }
    }
}

/// What ended the pause after so many steps, which began at `from`; nothing if it was not woken.
std::optional<wait_end> walk::end_of_pause(const task_story& story, std::uint64_t from,
                                           std::size_t steps_before) const {
    const auto wake =
        std::lower_bound(story.wakes.begin(), story.wakes.end(), from,
                         [](const told_wake& w, std::uint64_t at) { return w.stamp < at; });
    if (steps_before < story.steps.size()) {
        // The loop collects timers between two steps, in the time of the next.
        const auto& next = story.steps[steps_before];
        if (wake == story.wakes.end() || wake->stamp > next.end) { return std::nullopt; }
        return wait_end{std::min(wake->stamp, next.begin), wake->by, wake->kind};
    }
    if (wake != story.wakes.end()) { return wait_end{wake->stamp, wake->by, wake->kind}; }
    if (story.waits_for == wait_kind::nothing) { return std::nullopt; }
    return wait_end{history_.now(), story.holder, story.waits_for};
}

void walk::explain_pause(const task_story& story, stretch& s, std::size_t steps_before) {
    const bool has_run = steps_before != 0;
    const auto began =
        has_run ? story.steps[steps_before - 1].end : story.created.value_or(history_.since());
    if (began >= s.to) {  // before the recorder's time
        add(s, s.from, path_state::not_recorded, {});
        return;
    }
    const auto from = std::max(s.from, began);
    const auto at = has_run                             ? story.steps[steps_before - 1].to
                    : story.created                     ? story.created_at
                    : steps_before < story.steps.size() ? story.steps[steps_before].from
                                                        : story.site;
    const auto end = end_of_pause(story, began, steps_before);
    if (!end) {
        add(s, from, path_state::scheduled, at);
        return;
    }
    if (end->stamp < s.to) { add(s, std::max(from, end->stamp), path_state::scheduled, at); }
    if (s.to > from) { explain_wait(s, from, *end, at); }
}

/// From `from` to the end of the stretch its task waited. Empties `s` if others are to explain it.
void walk::explain_wait(stretch& s, std::uint64_t from, const wait_end& end, await_site at) {
    const bool by_a_task = end.by != 0 && end.by != s.task;
    if (!by_a_task || s.wakes == most_wakes_followed) {
        add_without_task(s, from, end, at);
        s.to = from;
        return;
    }
    path_.waits.push_back({s.task, end.kind, at, s.explains});
    left_.push_back({s.task, s.from, from, s.explains, s.wakes});
    left_.push_back({end.by, from, s.to, path_.waits.size() - 1, s.wakes + 1});
    s = {};
}

void walk::add_without_task(const stretch& s, std::uint64_t from, const wait_end& end,
                            await_site at) {
    auto rest = s;
    const auto* callback = end.by == 0 ? history_.callback_at(end.stamp) : nullptr;
    if (callback != nullptr && callback->begin < rest.to) {
        const auto began = std::max(from, callback->begin);
        add_callback(rest, began, callback->from);
        rest.to = began;
    }
    if (rest.to > from) { add(rest, from, path_state::waiting, at, end.kind); }
}

/// Until it was created somebody else is to explain it: who created it, or whose wait it is.
void walk::explain_before(const task_story& story, stretch& s) {
    if (story.parent != 0 && story.parent != s.task && s.wakes < most_wakes_followed) {
        left_.push_back({story.parent, s.from, s.to, s.explains, s.wakes + 1});
        return;
    }
    if (s.explains == path_wait::none) {
        add(s, s.from, path_state::not_recorded, {});
        return;
    }
    const auto& wait = path_.waits[s.explains];
    stretch waiter{wait.task, s.from, s.to, wait.within, s.wakes};
    add(waiter, s.from, path_state::waiting, wait.at, wait.waits_for);
}

path_piece walk::piece(const stretch& s, std::uint64_t from, path_state state,
                       await_site at) const {
    path_piece made;
    made.from = step_clock::between(begin_, from);
    made.to = step_clock::between(begin_, s.to);
    made.task = s.task;
    made.state = state;
    made.at = at;
    made.explains = s.explains;
    return made;
}

void walk::add(stretch& s, std::uint64_t from, path_state state, await_site at, wait_kind kind) {
    auto made = piece(s, from, state, at);
    const auto* story = history_.find(s.task);
    made.name = story != nullptr ? story->name : display_name(s.task, {});
    made.waits_for = kind;
    path_.pieces.push_back(std::move(made));
    s.to = from;
}

void walk::add_callback(const stretch& s, std::uint64_t from, await_site at) {
    auto made = piece(s, from, path_state::running, at);
    made.task = 0;
    made.name = "a callback";
    path_.pieces.push_back(std::move(made));
}

[[nodiscard]] std::uint64_t end_of(const task_story& story, const flight_history& history) {
    if (!story.ended) { return history.now(); }
    return story.steps.empty() ? *story.ended : story.steps.back().end;
}

[[nodiscard]] std::optional<critical_path> path_of(const flight_history& history,
                                                   const task_story* story) {
    if (story == nullptr) { return std::nullopt; }
    critical_path path;
    path.task = story->id;
    path.name = story->name;
    path.has_ended = story->ended.has_value();
    path.is_cut_off = !story->created;
    path.overwritten = history.overwritten();
    const auto end = end_of(*story, history);
    const auto begin = std::min(story->created.value_or(history.since()), end);
    path.elapsed = step_clock::between(begin, end);
    walk(history, path, begin).follow(story->id, end);
    return path;
}

}  // namespace

std::optional<critical_path> find_critical_path(const flight_recorder& recorder,
                                                std::uint64_t task_id) {
    const flight_history history(recorder);
    return path_of(history, history.find(task_id));
}

std::optional<critical_path> find_critical_path(const flight_recorder& recorder,
                                                std::string_view name) {
    const flight_history history(recorder);
    return path_of(history, history.find(name));
}

}  // namespace coroscope::instrumentation
