// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

// Tasks that begin inside the step of their creator.

namespace coroscope {

using detail::tick_clock;

/// The creator's step is cut in two: what came before is its own, what follows will be.
void loop::implementation::end_part_of_step() noexcept {
    if (!timed_) { return; }
    const std::uint64_t begin = last_stamp_;
    last_stamp_ = tick_clock::now();
    if (auto* creator = core.current.get(); creator != nullptr) {
        auto& record = creator->record();
        detail::add_to(record.busy_ticks, last_stamp_ - begin);
        const auto site = record.site.load(std::memory_order_relaxed);
        note_step({creator->id(), begin, last_stamp_, site, site, &record, step_kind::task});
    } else if (const auto* handle = core.callback.get(); handle != nullptr) {
        note_step(
            {handle->id, begin, last_stamp_, handle->created_at, {}, nullptr, step_kind::callback});
    }
}

namespace {

/// Neither step is interrupted: the outer one's part of the stack is the inner one's as well.
void begin_stretch_inside(const detail::access_stretch& outer) noexcept {
    detail::begin_stretch();
    if (outer.number != 0) { detail::this_stretch.own_stack = outer.own_stack; }
}

}  // namespace

void loop::implementation::run_eagerly(detail::task_core& task) {
    end_part_of_step();
    auto* const creator = core.current.get();
    auto* const callback = core.callback.get();
    core.callback = nullptr;
    const auto outer = detail::this_stretch;
    begin_stretch_inside(outer);
    run_one_task(task);
    detail::end_stretch();
    if (outer.number != 0) { begin_stretch_inside(outer); }
    ++unpublished_steps_;
    core.current = creator;
    core.callback = callback;
}

any_task eager_task_factory(loop& in, any_coro work, task_options& options) {
    options.eager = true;
    return in.start_task(std::move(work), options);
}

}  // namespace coroscope
