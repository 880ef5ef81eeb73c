// SPDX-License-Identifier: Apache-2.0
#include "remarks.hpp"

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>

#include <exception>
#include <utility>

namespace coroscope::detail {
namespace {

constinit thread_local int abandoned_depth = 0;

/// A suspended coroutine's frame begins with the address of the code that goes on with it, in every
/// compiler that we know.
[[nodiscard]] const void* code_of(frame_base& frame) noexcept {
    return *static_cast<const void* const*>(frame.coroutine().address());
}

/// Where it suspended last; a coroutine that has not come to a co_await yet is where it was
/// awaited.
[[nodiscard]] await_site last_site_of(const task_core& task) noexcept {
    const auto* frame = task.top;
    while (frame != nullptr && frame->site.line() == 0) {
        frame = frame->parent;
    }
    return frame != nullptr ? frame->site : await_site();
}

}  // namespace

void make_remark(remark made) noexcept {
    auto* const core = running_loop;
    if (core == nullptr || !core->wants(hook::remark)) { return; }
    if (const auto* task = core->current.get(); task != nullptr) {
        made.task_id = task->id();
        made.task_name = task->given_name();
        made.created_at = task->record().origin.load(std::memory_order_relaxed).call();
        if (made.site.line() == 0) { made.site = last_site_of(*task); }
    } else if (const auto* handle = core->callback.get();
               handle != nullptr && made.site.line() == 0) {
        made.site = handle->created_at;
    }
    core->notify_remark(made);
}

void drop_unstarted(frame_base& frame) noexcept {
    const bool is_omission = abandoned_depth == 0 && std::uncaught_exceptions() == 0;
    if (is_omission && running_loop != nullptr && running_loop->wants(hook::remark)) {
        remark made;
        made.kind = remark_kind::never_awaited;
        made.code = code_of(frame);
        make_remark(made);
    }
    // It was never counted as anybody's, and will be taken from the task that runs.
    if (running_loop != nullptr && running_loop->current != nullptr) {
        const auto word = reinterpret_cast<std::uintptr_t>(frame.parent);
        running_loop->current->count_memory(word - task_record::memory_word::one_allocation);
    }
    const auto before = std::exchange(drops_unawaited, is_omission);
    frame.coroutine().destroy();
    drops_unawaited = before;
}

void remark_wrong_thread(const loop_core& core, const char* what, std::string text) {
    auto* const self = core.self;
    post_mail(*core.mail, [self, what, text = std::move(text)] {
        remark made;
        made.kind = remark_kind::wrong_thread;
        made.what = what;
        made.text = text;
        self->core().notify_remark(made);
    });
}

void remark_lost_exception(loop_core& core, remark made,
                           const std::exception_ptr& exception) noexcept {
    if (!core.wants(hook::remark)) { return; }
    try {
        const auto text = describe(exception);
        made.kind = remark_kind::lost_exception;
        made.text = text;
        core.notify_remark(made);
    } catch (...) {  // NOLINT(bugprone-empty-catch): no memory, and the handler is told besides
    }
}

abandoning_frames::abandoning_frames() noexcept {
    ++abandoned_depth;
}

abandoning_frames::~abandoning_frames() {
    --abandoned_depth;
}

}  // namespace coroscope::detail
