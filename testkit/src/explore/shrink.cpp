// SPDX-License-Identifier: Apache-2.0
#include "shrink.hpp"

#include "task_report.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace coroscope::testkit::detail {
namespace {

/// Tells one way to fail from another: kind and place. Numbers in messages are left out, since they
/// depend on the order, as a rule.
[[nodiscard]] std::string fingerprint(const test_result& result) {
    if (result.failures.empty()) { return result.failed_elsewhere ? "assertion" : ""; }
    const auto& first = result.failures.front();
    auto text = std::string(to_string(first.kind)) + " " + to_string(first.where);
    if (first.kind == failure_kind::assertion) {
        return text + first.message.substr(0, first.message.find('\n'));
    }
    if (first.exception != nullptr) {
        auto what = exception_text(first.exception);
        std::erase_if(what, [](unsigned char c) { return std::isdigit(c) != 0; });
        text += " " + what;
    }
    return text;
}

/// Without the `part`-th of `parts` parts, of about the same size, of everything that it says.
[[nodiscard]] schedule without(const schedule& s, std::size_t part, std::size_t parts) {
    schedule result;
    result.seed = s.seed;
    const auto begin = s.size() * part / parts;
    const auto end = s.size() * (part + 1) / parts;
    std::size_t at = 0;
    const auto keep = [&](const auto& from, auto& to) {
        for (const auto& each : from) {
            if (at < begin || at >= end) { to.push_back(each); }
            ++at;
        }
    };
    keep(s.deviations, result.deviations);
    keep(s.faults, result.faults);
    keep(s.holds, result.holds);
    return result;
}

/// The steps of agents, by which holds name them.
class step_numbers {
public:
    explicit step_numbers(const std::vector<step_trace>& trace) {
        std::unordered_map<agent_index, std::size_t> last_of;
        for (std::size_t i = 0; i < trace.size(); ++i) {
            const auto [known, is_first] = last_of.try_emplace(trace[i].agent, i);
            last_.push_back(is_first ? none : std::exchange(known->second, i));
            numbers_.push_back(is_first ? 0 : numbers_[last_.back()] + 1);
        }
    }
    static constexpr std::size_t none = ~std::size_t{0};

    /// How many steps the agent of this step had taken before it.
    [[nodiscard]] std::uint32_t number(std::size_t step) const { return numbers_[step]; }
    /// Its last step before it.
    [[nodiscard]] std::size_t last(std::size_t step) const { return last_[step]; }

private:
    std::vector<std::uint32_t> numbers_;
    std::vector<std::size_t> last_;
};

class shrinker {
public:
    shrinker(explored_environment& in, const explored_test& test, const schedule& failing,
             const test_result& failed, std::size_t most_executions)
        : environment_(in),
          test_(test),
          wanted_(fingerprint(failed)),
          most_(most_executions),
          best_(failing) {}

    [[nodiscard]] shrunk_schedule run() {
        reduce();
        if (best_.size() - best_.faults.size() > 1 && has_budget()) { replace_by_holds(); }
        return {std::move(best_), executions_};
    }

private:
    [[nodiscard]] bool has_budget() const noexcept { return executions_ < most_; }

    /// Delta debugging: leaves out everything, then halves, then quarters, and so on.
    void reduce() {
        std::size_t parts = 1;
        while (best_.size() > 0 && has_budget()) {
            parts = std::min(parts, best_.size());
            if (leave_one_out(parts)) {
                parts = std::max<std::size_t>(parts - 1, 1);
            } else if (parts == best_.size()) {
                return;
            } else {
                parts *= 2;
            }
        }
    }

    [[nodiscard]] bool leave_one_out(std::size_t parts) {
        for (std::size_t part = 0; part < parts && has_budget(); ++part) {
            if (take_if_failing(without(best_, part, parts))) { return true; }
        }
        return false;
    }

    /// Where the rest cannot be followed, what was done instead counts.
    [[nodiscard]] bool take_if_failing(const schedule& simpler) {
        ++executions_;
        auto done = run_schedule(environment_, test_, simpler);
        if (fingerprint(done.result) != wanted_) { return false; }
        auto kept = simpler;
        if (!done.divergence.empty() || done.decided.size() < simpler.size()) {
            kept = done.decided;
        }
        if (kept.size() >= best_.size()) { return false; }
        best_ = std::move(kept);
        return true;
    }

    void replace_by_holds() {
        ++executions_;
        const auto done = run_schedule(environment_, test_, best_);
        const auto& agents = environment_.driver().agents();
        const auto holds = possible_holds(agents, done.trace, done.decided);
        for (const auto& each : holds) {
            if (!has_budget()) { return; }
            if (take_if_failing(with_holds({each}))) {
                reduce();
                return;
            }
        }
        if (best_.size() > 2 && holds.size() > 2 && has_budget()) {
            reduce_from(with_holds(holds));
        }
    }

    void reduce_from(schedule start) {
        const auto before = std::exchange(best_, std::move(start));
        ++executions_;
        const auto done = run_schedule(environment_, test_, best_);
        if (fingerprint(done.result) == wanted_) { reduce(); }
        if (fingerprint(done.result) != wanted_ || best_.size() >= before.size()) {
            best_ = before;
        }
    }

    [[nodiscard]] schedule with_holds(std::vector<hold> holds) const {
        schedule result;
        result.seed = best_.seed;
        result.faults = best_.faults;
        result.holds = std::move(holds);
        return result;
    }

    /// Whoever came later than by default could have been held until the one that ran just before.
    [[nodiscard]] static std::vector<hold> possible_holds(const agent_tree& agents,
                                                          const std::vector<step_trace>& trace,
                                                          const schedule& decided) {
        const step_numbers numbers(trace);
        std::vector<hold> result;
        for (std::size_t i = 1; i < trace.size(); ++i) {
            const auto from = numbers.last(i);
            const auto is_between = [&](const deviation& d) {
                return d.step < i && (from == step_numbers::none || d.step > from);
            };
            if (trace[i - 1].agent == trace[i].agent
                || std::ranges::none_of(decided.deviations, is_between)) {
                continue;
            }
            result.push_back({agents.path(trace[i].agent), numbers.number(i),
                              agents.path(trace[i - 1].agent), numbers.number(i - 1)});
        }
        return result;
    }

    explored_environment& environment_;
    const explored_test& test_;
    std::string wanted_;
    std::size_t most_;
    std::uint64_t executions_ = 0;
    schedule best_;
};

}  // namespace

bool depends_on_order(const test_result& failed) {
    return std::ranges::none_of(failed.failures, [](const test_failure& f) {
        return f.kind == failure_kind::nondeterminism || f.kind == failure_kind::between_tests
               || f.kind == failure_kind::time_limit || f.kind == failure_kind::race;
    });
}

shrunk_schedule shrink(explored_environment& in, const explored_test& test, const schedule& failing,
                       const test_result& failed, std::size_t most_executions) {
    return shrinker(in, test, failing, failed, most_executions).run();
}

}  // namespace coroscope::testkit::detail
