// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flight_ring.hpp"
#include "live_tasks.hpp"
#include "trace_text.hpp"

#include <coroscope/runtime/detail/step_batch.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace coroscope::instrumentation {

/// A copy of the steps that the loop has not told its observers yet. To be made before the ring is
/// copied: what moves over meanwhile is in both, which can be told, and not in neither.
class unsent_steps {
public:
    using space = coroscope::detail::step_batch::records;
    /// The copy is made into `into`; without a batch or a place there is none.
    unsent_steps(const coroscope::detail::step_batch* batch, space* into) noexcept
        : steps_(into),
          count_(batch != nullptr && into != nullptr ? batch->copy_to(*into) : 0) {}
    [[nodiscard]] std::span<const step_record> all() const noexcept {
        return count_ == 0 ? std::span<const step_record>() : std::span(*steps_).first(count_);
    }

private:
    const space* steps_;
    std::size_t count_;
};

/// Writes a ring as a Chrome trace, one event a line. Allocates nothing, so that a signal handler
/// may use it.
class flight_trace {
public:
    flight_trace(const flight_ring& ring, const unsent_steps& unsent, std::uint32_t loop_id,
                 trace_sink& to) noexcept;
    void write();

private:
    void write_event(std::uint64_t number, const flight_event& e);
    void write_step(const flight_event& e);
    void write_creation(std::uint64_t number, const flight_event& e);
    void write_edge(std::uint64_t number, const flight_event& e);
    void write_end(const flight_event& e);
    void write_unsent();
    void write_tasks_of_now();
    void write_task_of_now(const live_task& task, std::uint64_t now);
    void write_names_of_ended();
    void write_totals();

    /// The name of a task from the `name` events behind `number`; `task-ID` if there are none.
    void put_name(std::uint64_t number, const flight_event& of);
    void name_process();
    void open_track_name(std::uint64_t track);
    void name_track(std::uint64_t track, std::string_view name);
    void open(std::string_view phase, std::uint64_t track, std::uint64_t stamp,
              std::string_view category);
    void arrow(std::uint64_t number, std::string_view name, std::uint64_t from, std::uint64_t to,
               std::uint64_t stamp);
    void mark(std::string_view name, std::uint64_t track, std::uint64_t stamp);

    const flight_ring& ring_;
    const unsent_steps& unsent_;
    std::uint32_t loop_id_;
    trace_text out_;
    std::uint64_t process_;
    std::uint64_t latest_ = 0;      ///< the last stamp that was seen
    std::uint64_t last_ended_ = 0;  ///< the end of the last step
    std::uint64_t torn_ = 0;
};

}  // namespace coroscope::instrumentation
