// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/io_operation.hpp>

namespace coroscope::detail {

void io_state_base::completed() {
    if (running_loop == loop) {
        deliver();
        return;
    }
    add_reference();
    auto deliver_there = [self = std::unique_ptr<io_state_base, releaser>(this)] {
        self->deliver();
    };
    post_mail(*mail, std::move(deliver_there));
}

void io_state_base::deliver() noexcept {
    if (waiting == nullptr) {
        return;  // the frame is gone, and has been counted out
    }
    --loop->io_operations;
    auto* task = waiting;
    waiting = nullptr;
    if (loop->wants(hook::edge)) [[unlikely]] { loop->notify_edge(edge_kind::io, 0, task->id()); }
    if (cancel_requested) { task->must_cancel = true; }
    task->wake();
}

void io_state_base::abandon() noexcept {
    if (waiting != nullptr) {
        --loop->io_operations;
        waiting = nullptr;
        signal.emit(boost::asio::cancellation_type::terminal);
    }
}

void io_state_base::request_cancellation() noexcept {
    cancel_requested = true;
    signal.emit(boost::asio::cancellation_type::terminal);
}

}  // namespace coroscope::detail
