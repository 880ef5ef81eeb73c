// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule_driver.hpp"

#include <coroscope/instrumentation/effects.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace coroscope::testkit::detail {

/// Keeps what one execution after the other states with `effect`, up to the end of the body, and
/// which tasks are in an operation of their own.
class outcome_log final : public instrumentation::detail::effect_sink {
public:
    explicit outcome_log(schedule_driver& driver) : driver_(driver) {}

    /// Another execution begins.
    void begin();
    /// The outcome: a line for each name with its values, both sorted.
    [[nodiscard]] std::string text() const;

    /// Whether this agent has been in an `op_scope`, in any execution.
    [[nodiscard]] bool has_scopes(agent_index which) const { return scoped_.contains(which); }
    [[nodiscard]] std::size_t scoped_agents() const noexcept { return scoped_.size(); }
    [[nodiscard]] bool is_in_scope(agent_index which) const;

    void on_effect(std::string_view name, std::string value) override;
    [[nodiscard]] std::uint64_t on_operation_begins(std::string_view name) override;
    void on_operation_ends(std::uint64_t which) noexcept override;

private:
    schedule_driver& driver_;
    std::map<std::string, std::vector<std::string>, std::less<>> effects_;
    std::unordered_map<agent_index, std::size_t> open_;
    std::unordered_set<agent_index> scoped_;
};

/// Hears the effects of this thread while it lives.
class effect_listening {
public:
    explicit effect_listening(outcome_log* to) noexcept;
    effect_listening(const effect_listening&) = delete;
    effect_listening& operator=(const effect_listening&) = delete;
    ~effect_listening();

private:
    instrumentation::detail::effect_sink* before_;
};

}  // namespace coroscope::testkit::detail
