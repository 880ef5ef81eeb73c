// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/races/watched.hpp>

#include <cstdint>
#include <utility>

namespace coroscope::detail {
struct loop_core;
}

namespace coroscope::instrumentation {

/// Something that one task alone uses: the first one that does. A race detector says which other
/// task does so too.
///
///     coroscope::instrumentation::single_task<parser> input{parser{}, "input"};
///     input.get().feed(bytes);
///
/// **Thread safety**: as a plain `T`. What is used outside of tasks is not checked.
template <class T>
class single_task {
public:
    explicit single_task(T value = T(), const char* name = nullptr,
                         await_site where = await_site::current())
        : cell_(name, where),
          value_(std::move(value)) {}

    T& get(await_site where = await_site::current()) noexcept {
        const auto task = detail::running_task_id();
        if (task != 0 && owner_ == 0) {
            owner_ = task;
            cell_.claim(where);
        } else if (task != 0 && task != owner_) {
            cell_.breach_of("single-task", "it belongs to one task", "that is", where);
        }
        return value_;
    }
    /// The next task to use it is the one that it belongs to.
    void hand_over() noexcept { owner_ = 0; }

private:
    detail::life_cell cell_;
    T value_;
    std::uint64_t owner_ = 0;
};

namespace detail {

/// The loop that something belongs to: the one that runs at the first call of `check`.
class confinement {
public:
    confinement() = default;
    ~confinement();
    confinement(const confinement&) = delete;
    confinement& operator=(const confinement&) = delete;

    /// Throws `std::logic_error` that names `what` on another thread than the loop's, while that
    /// runs.
    void check(const char* what);

private:
    coroscope::detail::loop_core* core_ = nullptr;
};

}  // namespace detail

/// Something that belongs to the loop that first uses it: to use it from another thread throws
/// `std::logic_error`, with or without a race detector, and is a finding of `lints`
/// (`wrong-thread`).
///
///     coroscope::instrumentation::loop_confined<session_table> sessions{{}, "sessions"};
///     sessions.get().erase(id);
///
/// **Thread safety**: `get` may be called, and throws, on any thread once the loop has used it.
/// **Lifetime**: destroyed on the loop's thread, or after the loop.
template <class T>
class loop_confined {
public:
    explicit loop_confined(T value = T(), const char* name = "a loop_confined object")
        : name_(name),
          value_(std::move(value)) {}

    [[nodiscard]] T& get() {
        confinement_.check(name_);
        return value_;
    }

private:
    const char* name_;
    detail::confinement confinement_;
    T value_;
};

}  // namespace coroscope::instrumentation
