// SPDX-License-Identifier: Apache-2.0
#include "outcome_log.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::testkit::detail {

using instrumentation::detail::effect_listener;

void outcome_log::begin() {
    effects_.clear();
    open_.clear();
}

void outcome_log::on_effect(std::string_view name, std::string value) {
    if (!driver_.is_in_body()) { return; }
    auto found = effects_.find(name);
    if (found == effects_.end()) { found = effects_.emplace(name, 0).first; }
    found->second.push_back(std::move(value));
}

std::uint64_t outcome_log::on_operation_begins(std::string_view) {
    const auto* running = coroscope::detail::running_loop;
    if (running == nullptr || running->current == nullptr) { return 0; }
    const auto agent = driver_.task_agent(running->current->id());
    scoped_.insert(agent);
    ++open_[agent];
    return agent;
}

void outcome_log::on_operation_ends(std::uint64_t which) noexcept {
    const auto found = open_.find(static_cast<agent_index>(which));
    if (found != open_.end() && found->second > 0) { --found->second; }
}

bool outcome_log::is_in_scope(agent_index which) const {
    const auto found = open_.find(which);
    return found != open_.end() && found->second > 0;
}

std::string outcome_log::text() const {
    std::string text;
    for (const auto& [name, values] : effects_) {
        auto sorted = values;
        std::ranges::sort(sorted);
        text += name + ": ";
        for (std::size_t i = 0; i < sorted.size(); ++i) {
            text += (i > 0 ? ", " : "") + sorted[i];
        }
        text += "\n";
    }
    return text;
}

effect_listening::effect_listening(outcome_log* to) noexcept : before_(effect_listener) {
    if (to != nullptr) { effect_listener = to; }
}

effect_listening::~effect_listening() {
    effect_listener = before_;
}

}  // namespace coroscope::testkit::detail
