// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent_tree.hpp"

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace coroscope::testkit::detail {

class execution_order;

/// One agent that could run now.
struct candidate {
    agent_index agent = agent_tree::outside;
    /// The co_await it goes on from, unknown before the first step; a callback's place of posting.
    await_site at{};
    std::uint64_t order = 0;  ///< see `schedule_policy::choice`
    /// It is not ready: to choose it is to wake it early (see `early_wake_policy`). Behind those
    /// that are.
    bool is_early = false;
};

/// Whether two sites are the same in the source.
[[nodiscard]] inline bool is_same_place(const await_site& a, const await_site& b) noexcept {
    return a.line() == b.line() && a.column() == b.column()
           && std::string_view(a.file_name()) == b.file_name();
}

/// What became of one execution.
struct execution_summary {
    std::uint64_t steps = 0;
    std::uint64_t decisions = 0;  ///< steps at which two agents or more could have run
    bool was_cut = false;         ///< after `max_steps` it went on first in, first out
    bool failed = false;
};

/// Decides, in one execution after the other, what runs next, and learns from what comes of it.
///
/// For each execution: `begin`, then for each step, if there is something to decide, `decide`, and
/// always `on_step`; `on_created` in between; at last `end`. Agents are the same from execution to
/// execution. The order of `ready` is that in which its agents became ready: 0 is the default.
/// **Thread safety**: one thread.
class search_strategy {
public:
    virtual ~search_strategy() = default;

    /// Names what found a failure, for people.
    [[nodiscard]] virtual std::string name() const = 0;
    /// `seed` is this execution's own.
    virtual void begin(std::uint64_t seed) = 0;
    /// Whether none of `ready`, one or more, is to run before time has passed, or something has
    /// come from outside. Asked before `decide`.
    [[nodiscard]] virtual bool holds_all(std::span<const candidate> ready) {
        static_cast<void>(ready);
        return false;
    }
    /// Which of `ready`, two or more, is to run. Where nothing is ready but something could be
    /// woken early, the first is `agent_tree::outside`: time goes on.
    [[nodiscard]] virtual std::size_t decide(std::span<const candidate> ready) = 0;
    /// Whether the `fault_point` that was reached is to fail.
    [[nodiscard]] virtual bool decide_fault() = 0;
    virtual void on_created(agent_index made, agent_index by) {
        static_cast<void>(made);
        static_cast<void>(by);
    }
    /// This one runs now, be it that nobody else could.
    virtual void on_step(const candidate& runs) { static_cast<void>(runs); }
    virtual void end(const execution_summary& summary) { static_cast<void>(summary); }
    /// Whether it wants to be told who uses what. Asked after `begin`.
    [[nodiscard]] virtual bool wants_uses() const { return false; }
    /// Of the step that runs.
    virtual void on_use(const coroscope::detail::access& made) { static_cast<void>(made); }
    /// Whether it wants to know by `order` what depends on what. Asked after `begin`.
    [[nodiscard]] virtual bool wants_order() const { return false; }
    /// Whether that order is to be settled when the execution ends, which takes all of its steps
    /// with one another. Asked after `begin`, of those that want the order.
    [[nodiscard]] virtual bool wants_settled_order() const { return wants_order(); }
    /// What depends on what in the execution that has begun, up to now; at its end, settled if that
    /// is wanted.
    void set_order(execution_order* order) noexcept { order_ = order; }
    /// Gives it the names of agents. Before the first execution.
    void set_agents(const agent_tree* agents) noexcept { agents_ = agents; }
    /// The rest of the execution was like others before it, which it did not know at the beginning.
    [[nodiscard]] virtual bool tried_nothing_new() const { return false; }
    /// Why what it relies on is not true of the test; empty: it is, as far as was seen.
    [[nodiscard]] virtual std::string complaint() const { return {}; }
    /// There is nothing left that it could try.
    [[nodiscard]] virtual bool exhausted() const { return false; }
    /// What it has exhausted is all there is: no bound has left anything out.
    [[nodiscard]] virtual bool is_complete() const { return false; }

protected:
    [[nodiscard]] execution_order* order() const noexcept { return order_; }
    [[nodiscard]] const agent_tree* agents() const noexcept { return agents_; }

private:
    execution_order* order_ = nullptr;
    const agent_tree* agents_ = nullptr;
};

}  // namespace coroscope::testkit::detail
