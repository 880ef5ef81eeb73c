// SPDX-License-Identifier: Apache-2.0
#include "fork_safety.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/job_follower.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/asio/io_context.hpp>

#include <system_error>

#include <pthread.h>

namespace coroscope::detail {
namespace {

void before_fork() {
    // In this order they are nested elsewhere.
    lock_of_signal_actions().lock();
    lock_of_loop_registry().lock();
    lock_of_foreign_ends().lock();
    lock_of_block_depot().lock();
    lock_of_origins().lock();
}

void in_parent() {
    lock_of_origins().unlock();
    lock_of_block_depot().unlock();
    lock_of_foreign_ends().unlock();
    lock_of_loop_registry().unlock();
    lock_of_signal_actions().unlock();
}

void in_child() {
    access_listener = nullptr;  // first: what follows may not tell anybody
    job_listener = nullptr;
    this_stretch = {};
    disown_loops();
    disown_interrupts();
    if (running_loop != nullptr) { running_loop->self->stop(); }
    running_loop = nullptr;
    frames_are_watched = false;
    in_parent();
}

}  // namespace

void expect_forks() {
    static const int error = ::pthread_atfork(before_fork, in_parent, in_child);
    if (error != 0) { throw std::system_error(error, std::generic_category(), "pthread_atfork"); }
}

void leave_parent(loop_core& core) noexcept {
    if (!core.is_copy || core.has_left_parent || core.self == nullptr) { return; }
    core.has_left_parent = true;
    try {
        core.self->io_context().notify_fork(boost::asio::execution_context::fork_child);
    } catch (...) {  // NOLINT(bugprone-empty-catch): no descriptors left; nothing better to do
    }
}

}  // namespace coroscope::detail
