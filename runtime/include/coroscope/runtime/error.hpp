// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace coroscope {

/// Thrown at the await point of a task that was cancelled. Catch it to clean up, then rethrow it;
/// a task whose body lets it out ends as cancelled, not as failed. Deliberately not derived from
/// `std::exception`'s usual leaves that handlers swallow by habit (`std::runtime_error`).
class cancelled_error : public std::exception {
public:
    cancelled_error() = default;
    explicit cancelled_error(std::string message) : message_(std::move(message)) {}

    [[nodiscard]] const char* what() const noexcept override {
        return message_.empty() ? "the task was cancelled" : message_.c_str();
    }
    /// The text given to `cancel(message)`; empty if there was none.
    [[nodiscard]] const std::string& message() const noexcept { return message_; }

private:
    std::string message_;
};

/// A `wait_for` ran out of time.
class timeout_error : public std::runtime_error {
public:
    timeout_error() : std::runtime_error("the operation did not finish in time") {}
    using std::runtime_error::runtime_error;
};

/// An object was asked for something its present state does not allow: the result of an
/// unfinished task, setting a future twice, using a closed loop.
class invalid_state_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// A `barrier` was aborted, or reset while tasks waited at it.
class broken_barrier_error : public std::runtime_error {
public:
    broken_barrier_error() : std::runtime_error("the barrier is broken") {}
    using std::runtime_error::runtime_error;
};

/// `put_nowait` found no room.
class queue_full : public std::runtime_error {
public:
    queue_full() : std::runtime_error("the queue is full; await put() to wait for room") {}
    using std::runtime_error::runtime_error;
};

/// `get_nowait` found no item.
class queue_empty : public std::runtime_error {
public:
    queue_empty() : std::runtime_error("the queue is empty; await get() to wait for an item") {}
    using std::runtime_error::runtime_error;
};

/// A queue that was shut down was put to, or got from when nothing was left in it.
class queue_shutdown : public std::runtime_error {
public:
    queue_shutdown() : std::runtime_error("the queue was shut down") {}
    using std::runtime_error::runtime_error;
};

/// A future was abandoned: its loop closed, or its producer went away, before it had a result.
class broken_loop_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace coroscope
