// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/cancellation_sweep.hpp>

#include "explored_environment.hpp"
#include "random_walk.hpp"
#include "seed.hpp"
#include "unfinished_test.hpp"

#include <coroscope/runtime/detail/outside_post.hpp>
#include <coroscope/runtime/error.hpp>

#include <algorithm>
#include <optional>
#include <ostream>
#include <sstream>
#include <utility>

namespace coroscope::testkit {
namespace detail {
namespace {

/// One execution's cancellation: when, of whom, and what came of it.
struct planned_cancellation {
    std::optional<std::uint64_t> after;  ///< a step; unset: never
    task<> target;
    await_site where{};
    bool was_requested = false;
    bool was_ignored = false;

    void request() {
        const auto stack = target.stack();
        if (!stack.empty()) { where = stack.front(); }
        was_requested = target.cancel();
    }
};

/// First in, first out, but for the callback that cancels, which comes right after its step.
class cancelling_order final : public search_strategy {
public:
    explicit cancelling_order(planned_cancellation& plan) : plan_(plan) {}

    [[nodiscard]] std::string name() const override { return "cancellation"; }
    void begin(std::uint64_t) override {
        step_ = 0;
        canceller_.reset();
    }
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override {
        const auto found = canceller_.has_value()
                               ? std::ranges::find(ready, *canceller_, &candidate::agent)
                               : ready.end();
        return found != ready.end() ? static_cast<std::size_t>(found - ready.begin()) : 0;
    }
    [[nodiscard]] bool decide_fault() override { return false; }
    void on_created(agent_index made, agent_index by) override {
        static_cast<void>(by);
        if (is_expected_) { canceller_ = made; }
    }
    void on_step(const candidate&) override {
        if (plan_.after == step_++) { post_canceller(); }
    }

private:
    /// It has to keep nobody's order: it can run right after this step.
    void post_canceller() {
        is_expected_ = true;
        coroscope::detail::post_from_outside(this_test().loop(), [this] { plan_.request(); });
        is_expected_ = false;
    }

    planned_cancellation& plan_;
    std::uint64_t step_ = 0;
    bool is_expected_ = false;
    std::optional<agent_index> canceller_;
};

coro<> await_cancelled(const std::function<coro<>()>& body, planned_cancellation& plan) {
    plan.target = get_running_loop().create_task(body(), "test");
    try {
        co_await plan.target;
        plan.was_ignored = plan.was_requested;
    } catch (const cancelled_error&) {
        if (!plan.was_requested) { throw; }
    }
}

void add(cancellation_sweep& sweep, cancellation_failure failure) {
    const bool is_known = std::ranges::any_of(
        sweep.failures, [&](const auto& each) { return is_same_place(each.where, failure.where); });
    if (!is_known) { sweep.failures.push_back(std::move(failure)); }
}

}  // namespace

cancellation_sweep explore_cancellations(const std::function<coro<>()>& body,
                                         const explore_options& options, await_site where) {
    expect_no_loop("explore_cancellations", where);
    const unfinished_test begun(exploration_of(options.test, where));
    auto settings = options.test;
    settings.seed = choose_seed(options.seed.has_value() ? options.seed : settings.seed);
    explored_environment environment(settings, where);
    cancellation_sweep sweep;
    if (environment.has_failed_before()) {
        sweep.failures.push_back({{}, 0, false, std::move(environment.result())});
        return sweep;
    }
    const auto run = [&](planned_cancellation& plan) {
        cancelling_order order(plan);
        auto result = environment.run(order, environment.seed(), options.max_steps,
                                      [&] { return await_cancelled(body, plan); });
        if (result.ok() && environment.has_failed_since()) { result = environment.result(); }
        return result;
    };
    planned_cancellation none;
    auto as_it_is = run(none);
    if (!as_it_is.ok()) {
        sweep.failures.push_back({{}, 0, false, std::move(as_it_is)});
        return sweep;
    }
    // The first step is that of the task that awaits the test.
    for (std::uint64_t step = 1; sweep.cancellations < options.max_executions; ++step) {
        planned_cancellation plan;
        plan.after = step;
        auto result = run(plan);
        if (!plan.was_requested) {  // the test had ended
            if (!result.ok()) { add(sweep, {{}, step, false, std::move(result)}); }
            sweep.complete = true;
            break;
        }
        ++sweep.cancellations;
        sweep.ignored += plan.was_ignored ? 1U : 0U;
        if (!result.ok()) { add(sweep, {plan.where, step, true, std::move(result)}); }
    }
    return sweep;
}

}  // namespace detail

std::ostream& operator<<(std::ostream& out, const cancellation_sweep& sweep) {
    if (sweep.ok()) {
        return out << "ok: cancelled after each of " << (sweep.complete ? "" : "the first ")
                   << sweep.cancellations << " steps, " << sweep.ignored << " times without effect";
    }
    const char* separator = "";
    for (const auto& each : sweep.failures) {
        out << std::exchange(separator, "\n");
        if (each.was_cancelled) {
            out << "cancelled at " << to_string(each.where) << ", after step " << each.step << ": ";
        } else {
            out << "without being cancelled: ";
        }
        out << to_string(each.result);
    }
    return out;
}

std::string to_string(const cancellation_sweep& sweep) {
    std::ostringstream text;
    text << sweep;
    return text.str();
}

}  // namespace coroscope::testkit
