// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/stack.hpp>
#include <coroscope/runtime/observer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

struct native_origin_options {
    /// Native frames of an origin, from the call that created the task outwards; 1 to 64.
    std::size_t frames = 10;
    /// Distinct stacks kept at a time; tasks of further ones have no native origin and are counted.
    std::size_t stacks = 4096;
};

/// Keeps the native stack that each task of one loop was created on, while the task lives. A
/// task's own origin (`loop::set_origin_depth`) leads through coroutines only; this one names the
/// plain functions between the innermost of them and the call that created the task.
///
///     coroscope::instrumentation::native_origins origins;
///     options.prepare = [&origins](coroscope::loop& l) { origins.attach_to(l); };
///     ...
///     const auto stack = origins.stack_of(task.loop_id, task.id);
///
/// **Thread safety**: attached to one loop; everything else from any thread at any time.
/// **Lifetime**: must outlive its loop, or be removed from it (`loop::remove_observer`).
/// **Cost**: some 50 ns a task; a few microseconds for a stack that was not seen lately and has to
/// be unwound, as on fibers every time. Memory: 60 bytes a task, 400 for each distinct stack, and
/// up to 200 KiB. Names are looked up when somebody asks.
class native_origins final : public observer {
public:
    /// Throws `std::invalid_argument` for options outside of their limits.
    explicit native_origins(native_origin_options options = {});
    native_origins(const native_origins&) = delete;
    native_origins& operator=(const native_origins&) = delete;
    ~native_origins() override;

    /// Attaches it to its loop. Throws `std::logic_error` if it had one before.
    void attach_to(loop& l);

    /// The stack that an unfinished task was created on, innermost frame first, without the
    /// runtime's own frames in front. Nothing for a task that has ended, was created before this
    /// was attached, belongs to another loop, or was dropped. Milliseconds for what nobody asked
    /// before, while debug information is read; the loop does not wait for it.
    [[nodiscard]] std::optional<report::stack> stack_of(std::uint32_t loop_id,
                                                        std::uint64_t task_id) const;

    /// Tasks alive whose origin is known, and how many distinct stacks these have.
    [[nodiscard]] std::size_t tasks() const;
    [[nodiscard]] std::size_t stacks() const;
    /// Tasks whose stack was not kept since there was no room for one more.
    [[nodiscard]] std::uint64_t dropped() const;
    /// Tasks whose stack had to be unwound, since it was not recognised.
    [[nodiscard]] std::uint64_t unwound() const;

    void on_task_created(const task_info& task) noexcept override;
    void on_task_finished(const task_info& task, task_outcome outcome) noexcept override;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace coroscope::instrumentation
