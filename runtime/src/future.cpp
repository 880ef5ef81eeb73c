// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/future.hpp>

#include <coroscope/runtime/loop.hpp>

#include "remarks.hpp"

namespace coroscope::detail {

future_core::~future_core() {
    note_end_of_life(this, sizeof(*this));
    if (lost_exception()) {
        exception_context context;
        context.message =
            "a future's exception was never retrieved: nobody awaited it or asked "
            "for its result";
        context.exception = exception();
        context.future_id = id;
        context.created_at = created_at;
        if (loop->self != nullptr) {
            remark made;
            made.object_id = id;
            made.created_at = created_at;
            remark_lost_exception(*loop, made, context.exception);
            loop->self->call_exception_handler(context);
        } else {
            report_orphan(context);
        }
    }
    loop->release();
}

bool future_core::cancel(std::string_view message) {
    if (done()) { return false; }
    if (loop->debug) { check_thread(*loop, "future::cancel"); }
    finish(completion_status::cancelled, cancellation_of(message));
    return true;
}

void future_core::finish(completion_status status, std::exception_ptr exception) noexcept {
    if (loop->current != nullptr) { setter = loop->current->id(); }
    const auto keep = [](completion& c, callback f) -> callback {
        task_reference<future_core> self(static_cast<future_core*>(&c));
        return [self = std::move(self), f = std::move(f)]() mutable {
            f();
        };
    };
    complete(status, std::move(exception), loop->self, keep);
}

void future_core::expect_pending() const {
    if (done()) {
        throw invalid_state_error("a future was set that is done already (future "
                                  + std::to_string(id) + ", created at " + to_string(created_at)
                                  + "); look at done() first if several may set it");
    }
    if (loop->debug) { check_thread(*loop, "future::set_result"); }
}

void throw_empty_future() {
    throw invalid_state_error(
        "an empty future was used; it stands for nothing until one is "
        "assigned to it, and no longer after it was moved from");
}

void future_awaiter::suspend(frame_base& frame) {
    if (source_->loop != frame.task->loop) {
        throw invalid_state_error("a future of another loop was awaited at " + to_string(frame.site)
                                  + "; futures belong to one loop");
    }
    wait(*source_, frame, source_->kind, source_->id);
}

task_core* future_awaiter::cancel_wait() noexcept {
    auto* task = waiting();
    if (!source_->cancel(task->cancel_message())) {
        unlink();
        task->wake_cancelled();
    }
    return nullptr;
}

void future_awaiter::notify_edge() noexcept {
    waiting()->loop->notify_edge(edge_kind::future, source_->setter, waiting()->id());
}

}  // namespace coroscope::detail
