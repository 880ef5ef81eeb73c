// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/loop_core.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>

#include "loop_implementation.hpp"
#include "remarks.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <sstream>
#include <utility>

namespace coroscope {

template <class F>
void loop::told(hook which, F&& f) noexcept {
    implementation_->observers.tell(which, std::forward<F>(f));
}

void loop::task_started(detail::task_core& task) noexcept {
    const auto info = task.info();
    auto& observers = implementation_->observers;
    implementation_->fibers.add(task);
    if (core_->policy != nullptr) { core_->note_creator(task); }
    observers.tell(hook::task_created, [&](observer& o) { o.on_task_created(info); });
    if (core_->wants(hook::edge)) { core_->notify_edge(edge_kind::spawn, info.parent_id, info.id); }
}

namespace detail {

void loop_core::arm(timer_node& node, time_point deadline, time_point now) {
    if (deadline <= now) {
        collect_due_timers(now);
        make_ready(node.target);
    } else if (deadline != time_point::max()) {
        timers.arm(node, deadline);
    }
}

void loop_core::collect_due_timers(time_point now) {
    if (policy != nullptr && !timers.empty()) { now = std::min(now, timers.next_deadline()); }
    timers.pop_due(now, [this](timer_node& node) { make_ready(node.target); });
}

void loop_core::make_ready(ready_entry target) {
    if (target.is_task()) {
        if (wants(hook::edge)) [[unlikely]] {
            notify_edge(edge_kind::timer, target.task()->id(), target.task()->id());
        }
        target.task()->wake();
    } else {
        ready.push(target);
    }
}

void check_thread(const loop_core& core, const char* what) {
    const auto owner = core.runs_on.load();
    if (owner == std::thread::id() || owner == std::this_thread::get_id()) { return; }
    std::ostringstream message;
    message << what << " was called from thread " << std::this_thread::get_id() << ", but loop "
            << core.id << " runs on thread " << owner
            << "; use call_soon_threadsafe to reach a loop from another thread";
    if (core.mail != nullptr && core.wants(hook::remark)) {
        remark_wrong_thread(core, what, message.str());
    }
    throw std::logic_error(message.str());
}

namespace {

/// The call that creates a task, and the co_awaits at which its creator stands. The innermost frame
/// runs: it stands at none now.
[[gnu::cold, gnu::noinline]] creation_origin deep_origin(const loop_core& core,
                                                         await_site created_at) noexcept {
    // Built one by one: to clear them all first took half of the time (the row origin_10).
    alignas(await_site) std::array<std::byte, creation_origin::most_sites * sizeof(await_site)>
        room;
    auto* const first = reinterpret_cast<await_site*>(room.data());
    const auto most = std::min(core.origin_depth, creation_origin::most_sites);
    std::size_t count = 0;
    std::construct_at(first + count++, created_at);
    if (core.current != nullptr && core.current->top != nullptr) {
        for (auto* f = core.current->top->parent; f != nullptr && count < most; f = f->parent) {
            std::construct_at(first + count++, f->site);
        }
    }
    return creation_origin::of({first, count});
}

/// 0 where steps are not timed. Outside of a run the last step's end is no measure of the time.
[[nodiscard]] std::uint64_t stamp_in(const loop_core& core) noexcept {
    if (core.step_began == nullptr) { return 0; }
    return running_loop == &core ? core.stamp_of_now() : tick_clock::now();
}

}  // namespace

void open_record(task_record& r, const loop_core& core, await_site created_at) noexcept {
    constexpr auto release = std::memory_order_release;
    r.sequence.store(1, release);
    r.magic.store(task_record::magic_value, release);
    r.loop_id.store(core.id, release);
    r.parent_id.store(core.current != nullptr ? core.current->id() : 0, release);
    r.origin.store(
        core.origin_depth > 1 ? deep_origin(core, created_at) : creation_origin(created_at),
        release);
    r.site.store({}, release);
    r.busy_ticks.store(0, release);
    r.scheduled_ticks.store(0, release);
    r.waiting_ticks.store(0, release);
    const auto now = stamp_in(core);
    r.changed_at.store(now, release);
    r.woken_at.store(now, release);
    r.state.store(task_state::ready, release);
    r.name[0].store('\0', release);
}

void publish_record(task_record& r, loop_core& core) noexcept {
    r.id.store(core.next_task_id++, std::memory_order_release);
    r.sequence.store(0, std::memory_order_release);
}

void start_task(task_core& task, std::string_view name, await_site created_at, first_step when) {
    auto& core = *task.loop;
    open_record(task.record(), core, created_at);
    if (!name.empty()) { task.set_name(name); }
    publish_record(task.record(), core);
    task.previous = core.last_task;
    (core.last_task != nullptr ? core.last_task->next : core.first_task) = &task;
    core.last_task = &task;
    add_to(core.task_count, std::size_t{1});
    if (when == first_step::soon) { core.ready.push(ready_entry(&task)); }
    if (contexts_are_used.load(std::memory_order_relaxed)) [[unlikely]] {
        task.context = copy_of_current_context();
    }
    if (task_fibers::are_shown
        || (core.hooks & (hook::task_created | hook::edge | loop_core::has_policy)) != 0)
        [[unlikely]] {
        core.self->task_started(task);
    }
}

void loop_core::show_name_of(const task_core& task) noexcept {
    if (self != nullptr) { self->implementation_->fibers.rename(task); }
}

void loop_core::notify_posted(handle_state& posted) noexcept {
    if (policy != nullptr) { note_creator(posted); }
    if (wants(hook::edge)) {
        notify_edge(edge_kind::post, current != nullptr ? current->id() : 0, posted.id);
    }
}

void loop_core::notify_woken(task_core& task) noexcept {
    if (policy != nullptr) {
        const bool by_own_timer =
            task.record().waits_for.load(std::memory_order_relaxed) == wait_kind::sleep
            && !task.must_cancel;
        task.woken_by_others = !by_own_timer;
        note_use(&task.must_cancel,
                 access_kind::test);  // to cancel it is another thing from now on
    }
    if (!wants(hook::task_woken)) { return; }
    auto info = task.info();
    info.waits_for = task.record().waits_for.load(std::memory_order_relaxed);
    self->told(hook::task_woken, [&](observer& o) { o.on_task_woken(info); });
}

void loop_core::notify_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept {
    self->told(hook::edge, [&](observer& o) { o.on_edge(kind, from, to); });
}

void loop_core::notify_remark(const remark& made) noexcept {
    if (self != nullptr && wants(hook::remark)) {
        self->told(hook::remark, [&](observer& o) { o.on_remark(made); });
    }
}

void notify_frame(const void* memory, std::ptrdiff_t bytes) noexcept {
    if (access_listener != nullptr) {
        if (bytes > 0) {
            access_listener->on_begin_of_life(memory, static_cast<std::size_t>(bytes));
        } else {
            access_listener->on_end_of_life(memory, static_cast<std::size_t>(-bytes));
        }
    }
    if (running_loop != nullptr && running_loop->wants(hook::frame)) {
        running_loop->self->told(hook::frame, [&](observer& o) { o.on_frame(bytes); });
    }
}

}  // namespace detail

}  // namespace coroscope
