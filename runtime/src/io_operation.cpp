// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/io_operation.hpp>

#include <utility>
#include <vector>

namespace coroscope::detail {
namespace {

using boost::asio::cancellation_signal;
using boost::asio::cancellation_type;

/// Signals between two operations. A signal keeps the memory of the last cancellation handler, so
/// that the next operation need not allocate it: two allocations fewer in each round trip
/// of an echo server.
struct spare_signals {
    std::vector<std::unique_ptr<cancellation_signal>> signals;
    spare_signals() = default;
    spare_signals(const spare_signals&) = delete;
    spare_signals& operator=(const spare_signals&) = delete;
    ~spare_signals();
};

constinit thread_local bool spares_are_gone = false;  // operations may outlive the thread's spares
thread_local spare_signals spares;

spare_signals::~spare_signals() {
    spares_are_gone = true;
}

struct nothing_to_cancel {
    void operator()(cancellation_type) const noexcept {}
};

}  // namespace

std::unique_ptr<cancellation_signal> take_signal() {
    if (spares_are_gone || spares.signals.empty()) {
        return std::make_unique<cancellation_signal>();
    }
    auto signal = std::move(spares.signals.back());
    spares.signals.pop_back();
    return signal;
}

void give_back_signal(std::unique_ptr<cancellation_signal> signal) noexcept {
    constexpr std::size_t most = 256;
    if (spares_are_gone || spares.signals.size() == most) { return; }
    try {
        // In place of the handler of an operation that has ended; in the same memory.
        if (signal->slot().has_handler()) { signal->slot().emplace<nothing_to_cancel>(); }
        spares.signals.push_back(std::move(signal));
    } catch (...) {  // NOLINT(bugprone-empty-catch): then the next one is made anew
    }
}

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
        // No cancellation: frames go in the middle of a wait only when their loop closes, which
        // polls no more, and the I/O object that the signal leads to may be gone already.
    }
}

void io_state_base::request_cancellation() noexcept {
    cancel_requested = true;
    signal->emit(cancellation_type::terminal);
}

}  // namespace coroscope::detail
