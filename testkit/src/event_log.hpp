// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_log.hpp"

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/observer.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace coroscope::testkit::detail {

/// What a test's tasks do, hashed as it happens; counts steps, and notices when there are too
/// many. Events and steps have a hash each: batches of steps arrive when real time says so, in
/// between the events.
class event_log final : public observer, public run_log {
public:
    struct limits {
        std::uint64_t steps = 0;
        std::uint64_t at_one_instant = 0;
        duration slow_step{};  ///< real time from which a step is slow; zero: nobody asks
    };
    /// `on_runaway` is called once, from a step's end; it may stop the loop.
    event_log(loop& watched, const limits& most,
              std::function<void(const std::string&)> on_runaway);
    ~event_log() override;
    event_log(const event_log&) = delete;
    event_log& operator=(const event_log&) = delete;

    void on_task_created(const task_info& task) noexcept override;
    void on_task_finished(const task_info& task, task_outcome outcome) noexcept override;
    void on_task_woken(const task_info& task) noexcept override;
    void on_steps(std::span<const step_record> records) noexcept override;

    void restart_count(std::uint64_t most_steps) noexcept override;

    [[nodiscard]] std::uint64_t hash() const noexcept override;
    [[nodiscard]] std::uint64_t steps() const noexcept override { return steps_; }
    [[nodiscard]] std::vector<std::string> slow_steps() const override { return slow_steps_; }

private:
    using offender = std::tuple<step_kind, std::uint64_t, std::uint32_t, const char*>;

    void note_event(char what, const task_info& task, std::uint64_t more) noexcept;
    void note_step(const step_record& record) noexcept;
    void look_for_runaway(const step_record& record);
    void report_runaway();
    void note_if_slow(const step_record& record);
    [[nodiscard]] std::string describe(const offender& who, std::uint64_t count) const;

    loop& loop_;
    limits most_;
    std::function<void(const std::string&)> on_runaway_;
    std::vector<std::string> slow_steps_;
    std::map<offender, std::uint64_t> sample_;  ///< who runs, once there are too many steps
    std::uint64_t sampled_ = 0;
    std::uint64_t event_hash_ = 0;
    std::uint64_t step_hash_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t counted_ = 0;  ///< since `restart_count`
    std::uint64_t at_instant_ = 0;
    time_point instant_ = time_point::min();
    bool has_body_ = false;  ///< the first task was seen
    bool reported_ = false;
};

}  // namespace coroscope::testkit::detail
