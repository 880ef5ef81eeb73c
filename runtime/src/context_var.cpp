// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/context_var.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/handle.hpp>

#include <algorithm>
#include <stdexcept>

namespace coroscope {
namespace detail {
namespace {

thread_local constinit context_reference* entered_context = nullptr;
thread_local context_reference thread_context;
std::atomic<std::uint64_t> variables_made{0};

[[nodiscard]] bool is_before(const context_value& entry, std::uint64_t variable) noexcept {
    return entry.variable < variable;
}

}  // namespace

void context_reference::release() noexcept {
    if (cell_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) { delete cell_; }
}

context_reference& current_context() noexcept {
    if (entered_context != nullptr) { return *entered_context; }
    if (running_loop != nullptr) {
        if (running_loop->current != nullptr) { return running_loop->current->context; }
        if (running_loop->callback != nullptr) { return running_loop->callback->context; }
    }
    return thread_context;
}

context_reference copy_of_current_context() {
    const auto& from = current_context();
    if (!from || from->values == nullptr) { return {}; }
    context_reference copy(new context_cell);
    copy->values = from->values;
    return copy;
}

std::shared_ptr<const void> value_in(const context_reference& in, std::uint64_t variable) noexcept {
    if (!in || in->values == nullptr) { return nullptr; }
    const auto& values = *in->values;
    const auto found = std::lower_bound(values.begin(), values.end(), variable, is_before);
    return found != values.end() && found->variable == variable ? found->value : nullptr;
}

void set_value_in(context_reference& in, std::uint64_t variable,
                  std::shared_ptr<const void> value) {
    contexts_are_used.store(true, std::memory_order_relaxed);
    if (!in) { in = context_reference(new context_cell); }
    auto changed = in->values != nullptr ? std::make_shared<context_map>(*in->values)
                                         : std::make_shared<context_map>();
    const auto at = std::lower_bound(changed->begin(), changed->end(), variable, is_before);
    const bool is_there = at != changed->end() && at->variable == variable;
    if (value == nullptr) {
        if (is_there) { changed->erase(at); }
    } else if (is_there) {
        at->value = std::move(value);
    } else {
        changed->insert(at, {variable, std::move(value)});
    }
    in->values = std::move(changed);
}

context_scope::context_scope(context_reference& in) noexcept
    : before_(std::exchange(entered_context, &in)) {}

context_scope::~context_scope() {
    entered_context = before_;
}

std::uint64_t next_context_variable() noexcept {
    return variables_made.fetch_add(1, std::memory_order_relaxed) + 1;
}

void throw_no_value(const std::string& name) {
    throw std::out_of_range("context_var '" + name
                            + "' has no value in this context, and no default; set it, or use "
                              "get(default)");
}

void throw_token_of_another(const std::string& name, const char* what) {
    throw std::invalid_argument("context_var '" + name
                                + "' cannot be reset with a token of another " + what
                                + "; reset it where it was set");
}

void throw_token_used(const std::string& name) {
    throw invalid_state_error("context_var '" + name
                              + "' was reset with a token that was used or moved from already");
}

}  // namespace detail

context::entered::entered(const detail::context_reference& cell) : slot_(cell), scope_(slot_) {
    const auto& task_context =
        detail::running_loop != nullptr && detail::running_loop->current != nullptr
            ? detail::running_loop->current->context
            : detail::context_reference();
    if (task_context.get() == cell.get() || cell->is_entered.exchange(true)) {
        throw invalid_state_error(
            "a context was entered that somebody is in already, this thread or another; run in a "
            "copy of it");
    }
}

context::entered::~entered() {
    slot_->is_entered.store(false);
}

context context::copy() const {
    context made;
    made.cell_->values = cell_->values;
    return made;
}

std::size_t context::size() const noexcept {
    return cell_->values != nullptr ? cell_->values->size() : 0;
}

context copy_context() {
    auto cell = detail::copy_of_current_context();
    return cell ? context(std::move(cell)) : context();
}

}  // namespace coroscope
