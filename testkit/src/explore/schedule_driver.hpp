// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent_tree.hpp"
#include "execution_order.hpp"
#include "run_log.hpp"
#include "schedule.hpp"
#include "search_strategy.hpp"

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/early_wake_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope::testkit::detail {

/// One step of an execution, as far as it is the same in each process and build.
struct step_trace {
    agent_index agent = agent_tree::outside;
    await_site at{};
    time_point when{};
    std::uint64_t state_hash = 0;  ///< of everything up to this step, it included
    std::size_t ready = 0;         ///< how many were ready
    bool is_early = false;         ///< it was woken early for that
};

/// How often an execution may wake something early.
struct early_limits {
    static constexpr std::size_t any = ~std::size_t{0};

    std::size_t conditions = 0;
    std::size_t limits = 0;
};

/// What a loop asks during an execution: passes each question on to a `search_strategy`, in terms
/// of agents, and keeps what was answered. After the body's end, and after the most steps that an
/// execution has, it answers itself: first in, first out.
///
/// **Thread safety**: one thread. **Lifetime**: of many executions, one after the other.
class schedule_driver final : public early_wake_policy,
                              public run_log,
                              private coroscope::detail::access_sink {
public:
    /// While it exists, a driver is told who uses what, if its strategy wants to know.
    class listening {
    public:
        explicit listening(schedule_driver& driver) noexcept;
        listening(const listening&) = delete;
        listening& operator=(const listening&) = delete;
        ~listening();

    private:
        schedule_driver& driver_;
    };

    /// `on_runaway` is called once there are too many steps even first in, first out.
    explicit schedule_driver(std::function<void(const std::string&)> on_runaway)
        : on_runaway_(std::move(on_runaway)) {}

    /// A new execution begins, on a loop without tasks whose time is shown by `time`.
    void begin(search_strategy& strategy, std::uint64_t seed, std::uint64_t max_steps,
               const clock& time);
    /// The body has ended; from now on it is first in, first out.
    void end_body() noexcept {
        if (is_ordered_ && decides_) { order_.on_body_ended(); }
        decides_ = false;
        if (is_in_body_) { steps_of_body_ = summary_.steps; }
        is_in_body_ = false;
    }
    [[nodiscard]] bool is_in_body() const noexcept { return is_in_body_; }
    /// Those to the body's end; what follows is the cleanup.
    [[nodiscard]] std::uint64_t steps_of_body() const noexcept { return steps_of_body_; }
    /// Tells the strategy.
    void end(bool failed);

    [[nodiscard]] std::size_t pick(std::span<const choice> ready) override;
    [[nodiscard]] wakes allowed() const noexcept override;
    [[nodiscard]] std::optional<std::size_t> pick_any(std::span<const choice> ready,
                                                      std::span<const early_choice> early) override;
    void on_created(const agent& what, const agent& by) noexcept override;
    /// A fault point was reached. True: it is to fail.
    [[nodiscard]] bool decide_fault(std::string_view name);

    /// Which agent a task of this execution is.
    [[nodiscard]] agent_index task_agent(std::uint64_t id) { return index_of({id, true}); }
    [[nodiscard]] std::string path_of(const agent& which) { return agents_.path(index_of(which)); }
    /// What was decided, apart from the seed.
    [[nodiscard]] schedule decided() const;
    /// The class of the execution that has ended; empty: not known.
    [[nodiscard]] std::optional<std::uint64_t> class_hash() const noexcept;
    /// Of the execution that has ended: a time limit was up before its time.
    [[nodiscard]] bool has_ended_limits_early() const noexcept { return has_ended_limits_; }
    /// Classes are known from the next execution on, whatever the strategy.
    void set_counts_classes(bool does) noexcept { counts_classes_ = does; }
    [[nodiscard]] const execution_summary& summary() const noexcept { return summary_; }
    [[nodiscard]] agent_tree& agents() noexcept { return agents_; }
    [[nodiscard]] const agent_tree& agents() const noexcept { return agents_; }
    /// From the next execution on; gives what held before.
    early_limits set_early(const early_limits& most) noexcept {
        return std::exchange(most_early_, most);
    }
    /// Steps are put down there from the next execution on; null: nowhere.
    void set_trace(std::vector<step_trace>* trace) noexcept { trace_ = trace; }

    void restart_count(std::uint64_t most_steps) noexcept override;
    [[nodiscard]] std::uint64_t hash() const noexcept override { return hash_; }
    [[nodiscard]] std::uint64_t steps() const noexcept override { return summary_.steps; }

private:
    struct answered {
        std::uint64_t step;
        agent_index agent;
        bool in_place_of_time;
    };

    void on_access(const coroscope::detail::access& made) noexcept override;
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override;
    void on_begin_of_life(const void* begin, std::size_t bytes) noexcept override;

    [[nodiscard]] agent_index& index_of(const agent& what);
    void note_ready(std::span<const choice> ready);
    void note_offer();
    void note_early(std::span<const early_choice> early);
    [[nodiscard]] std::size_t decide();
    [[nodiscard]] std::optional<std::size_t> decide_in_place_of_time(
        std::span<const early_choice> early);
    void count_early(const early_choice& woken);
    void note_step(const candidate& runs, std::size_t ready);
    void look_for_end();
    void report_runaway(const candidate& runs);

    std::function<void(const std::string&)> on_runaway_;
    agent_tree agents_;
    search_strategy* strategy_ = nullptr;
    const clock* time_ = nullptr;
    std::vector<step_trace>* trace_ = nullptr;
    // By id, in this execution.
    std::vector<agent_index> tasks_;
    std::vector<agent_index> callbacks_;
    execution_order order_;
    bool counts_classes_ = false;
    bool is_ordered_ = false;  ///< somebody wants the order of this execution
    bool is_settled_ = false;  ///< and at its end that of all its steps
    bool is_used_ = false;     ///< the strategy wants to know who uses what
    coroscope::detail::access_sink* outer_ = nullptr;  ///< who listened before
    time_point instant_{};
    std::vector<candidate> ready_;  ///< and what could be woken early
    std::uint64_t ready_hash_ = 0;
    std::vector<answered> deviations_;
    std::vector<fault> faults_;
    std::uint32_t faults_in_step_ = 0;
    early_limits most_early_;
    early_limits early_;                   ///< that are left to this execution
    bool has_ended_limits_ = false;        ///< some of these
    std::uint64_t asked_for_time_at_ = 0;  ///< the step before which time was last to go on, plus 1
    agent_index woken_early_ = agent_tree::outside;  ///< and has not run since
    execution_summary summary_;
    std::uint64_t hash_ = 0;
    std::uint64_t max_steps_ = 0;
    std::uint64_t most_left_ = 0;  ///< steps, until it is a runaway
    std::uint64_t steps_of_body_ = 0;
    bool is_in_body_ = false;
    bool decides_ = false;
};

}  // namespace coroscope::testkit::detail
