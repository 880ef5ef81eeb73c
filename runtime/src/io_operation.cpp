// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/io_operation.hpp>

#include "fork_safety.hpp"

#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

namespace coroscope::detail {
namespace {

using boost::asio::cancellation_type;

/// Signals between two operations. A signal keeps the memory of the last cancellation handler, so
/// that the next operation need not allocate it: two allocations fewer in each round trip
/// of an echo server.
struct spare_signals {
    reused_signal* first = nullptr;
    std::uint32_t count = 0;
    std::uint32_t limit = 0;  ///< 0 until the thread is known to free them, and once it has
};
constinit thread_local spare_signals spares;

struct spares_flusher {
    spares_flusher() noexcept { spares.limit = 256; }
    spares_flusher(const spares_flusher&) = delete;
    spares_flusher& operator=(const spares_flusher&) = delete;
    ~spares_flusher() {
        spares.limit = 0;
        while (spares.first != nullptr) {
            delete std::exchange(spares.first, spares.first->next);
        }
    }
};

struct nothing_to_cancel {
    void operator()(cancellation_type) const noexcept {}
};

/// Held while an operation that ends on another thread looks for its loop. One for all, since such
/// operations (their I/O object has an executor of its own) are few.
constinit std::mutex foreign_ends;

}  // namespace

std::mutex& lock_of_foreign_ends() noexcept {
    return foreign_ends;
}

reused_signal* take_signal() {
    auto* signal = spares.first;
    if (signal == nullptr) { return new reused_signal; }
    spares.first = signal->next;
    --spares.count;
    return signal;
}

void give_back_signal(reused_signal* used) noexcept {
    if (spares.limit == 0) [[unlikely]] { static const thread_local spares_flusher at_the_end; }
    if (spares.count >= spares.limit) {
        delete used;
        return;
    }
    try {
        // In place of the handler of an operation that has ended; in the same memory.
        auto slot = used->signal.slot();
        if (slot.has_handler()) { slot.emplace<nothing_to_cancel>(); }
        used->next = spares.first;
        spares.first = used;
        ++spares.count;
    } catch (const std::bad_alloc&) { delete used; }
}

bool is_abortion(const std::exception_ptr& thrown) noexcept {
    if (thrown == nullptr) { return false; }
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) { return is_abortion(e.code()); } catch (...) {
        return false;
    }
}

void io_state_base::deliver_through_mail() {
    const std::scoped_lock lock(foreign_ends);
    if (mail_ == nullptr) { return; }
    add_reference();
    auto deliver_there = [self = std::unique_ptr<io_state_base, releaser>(this)] {
        self->deliver();
    };
    post_mail(*mail_, std::move(deliver_there));
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

/// The frame goes in the middle of its wait: its loop closes. No cancellation, since the loop polls
/// no more, and the I/O object that the signal leads to may be gone already.
void io_state_base::leave() noexcept {
    --loop->io_operations;
    waiting = nullptr;
    const std::scoped_lock lock(foreign_ends);
    mail_ = nullptr;
}

void io_state_base::request_cancellation() noexcept {
    cancel_requested = true;
    signal_->signal.emit(cancellation_type::terminal);
}

}  // namespace coroscope::detail
