// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace coroscope::detail {

/// What one variable holds in one context.
struct context_value {
    std::uint64_t variable;
    std::shared_ptr<const void> value;
};

/// All values of a context, ordered by variable. Never changed, so that copying a context is
/// copying a pointer; programs have few variables and set them seldom.
using context_map = std::vector<context_value>;

/// A context: what tasks, callbacks and `context` objects point to. Counted from any thread;
/// `values` belongs to whoever has entered it.
struct context_cell {
    std::shared_ptr<const context_map> values;
    std::atomic<std::uint32_t> references{1};
    std::atomic<bool> is_entered{false};  ///< by `context::run`
};

class context_reference {
public:
    context_reference() = default;
    /// Takes a reference over.
    explicit context_reference(context_cell* cell) noexcept : cell_(cell) {}
    context_reference(const context_reference& other) noexcept : cell_(other.cell_) {
        if (cell_ != nullptr) { cell_->references.fetch_add(1, std::memory_order_relaxed); }
    }
    context_reference(context_reference&& other) noexcept
        : cell_(std::exchange(other.cell_, nullptr)) {}
    context_reference& operator=(context_reference other) noexcept {
        std::swap(cell_, other.cell_);
        return *this;
    }
    ~context_reference() {
        if (cell_ != nullptr) [[unlikely]] { release(); }
    }
    [[nodiscard]] context_cell* get() const noexcept { return cell_; }
    context_cell* operator->() const noexcept { return cell_; }
    explicit operator bool() const noexcept { return cell_ != nullptr; }

private:
    void release() noexcept;
    context_cell* cell_ = nullptr;  ///< null: empty, and made when something is set
};

/// Whether any variable was ever set: before, nobody need look for a context.
inline constinit std::atomic<bool> contexts_are_used{false};

/// Where the context that this thread runs in is kept: of the task, of the callback, of a
/// `context::run`, or the thread's own.
[[nodiscard]] context_reference& current_context() noexcept;
/// A copy of it with the same values; empty if it is.
[[nodiscard]] context_reference copy_of_current_context();
[[nodiscard]] inline context_reference inherited_context() {
    return contexts_are_used.load(std::memory_order_relaxed) ? copy_of_current_context()
                                                             : context_reference();
}

/// The value in a context; null if it has none.
[[nodiscard]] std::shared_ptr<const void> value_in(const context_reference& in,
                                                   std::uint64_t variable) noexcept;
/// Sets it; null: removes it.
void set_value_in(context_reference& in, std::uint64_t variable, std::shared_ptr<const void> value);

/// Makes a context the current one of this thread while it lives.
class context_scope {
public:
    explicit context_scope(context_reference& in) noexcept;
    context_scope(const context_scope&) = delete;
    context_scope& operator=(const context_scope&) = delete;
    ~context_scope();

private:
    context_reference* before_;
};

[[nodiscard]] std::uint64_t next_context_variable() noexcept;

}  // namespace coroscope::detail
