// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/future.hpp>

#include <coroscope/runtime/loop.hpp>

namespace coroscope::detail {

future_core::~future_core() {
    if (lost_exception() && loop->self != nullptr) {
        exception_context context;
        context.message =
            "a future's exception was never retrieved: nobody awaited it or asked "
            "for its result";
        context.exception = exception();
        context.future_id = id;
        context.created_at = created_at;
        loop->self->call_exception_handler(context);
    }
    loop->release();
}

bool future_core::cancel() {
    if (done()) { return false; }
    finish(completion_status::cancelled, nullptr);
    return true;
}

void future_core::finish(completion_status status, std::exception_ptr exception) noexcept {
    if (loop->current != nullptr) { setter = loop->current->id(); }
    complete(status, std::move(exception), loop->self);
}

void future_core::expect_pending() const {
    if (done()) {
        throw invalid_state_error("a future was set that is done already (future "
                                  + std::to_string(id) + ", created at " + to_string(created_at)
                                  + "); look at done() first if several may set it");
    }
    if (loop->debug) { check_thread(*loop, "future::set_result"); }
}

task_core* future_awaiter::cancel_wait() noexcept {
    auto* task = waiting();
    if (!source_->cancel()) {
        unlink();
        task->wake_cancelled();
    }
    return nullptr;
}

void future_awaiter::notify_edge() noexcept {
    waiting()->loop->notify_edge(edge_kind::future, source_->setter, waiting()->id());
}

}  // namespace coroscope::detail
