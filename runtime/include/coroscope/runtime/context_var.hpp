// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/context_cell.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace coroscope {

template <class T>
    requires std::copy_constructible<T>
class context_var;

namespace detail {
[[noreturn]] void throw_no_value(const std::string& name);
[[noreturn]] void throw_token_of_another(const std::string& name, const char* what);
[[noreturn]] void throw_token_used(const std::string& name);
}  // namespace detail

/// What `context_var::set` gives back, to undo it once.
template <class T>
class context_token {
public:
    context_token(context_token&&) noexcept = default;
    context_token& operator=(context_token&&) noexcept = default;

    /// What the variable held before; nothing if it held nothing.
    [[nodiscard]] std::optional<T> old_value() const {
        return old_ != nullptr ? std::optional<T>(*static_cast<const T*>(old_.get()))
                               : std::nullopt;
    }

private:
    friend class context_var<T>;
    context_token(std::uint64_t variable, detail::context_reference where,
                  std::shared_ptr<const void> old) noexcept
        : variable_(variable),
          where_(std::move(where)),
          old_(std::move(old)) {}

    std::uint64_t variable_;
    detail::context_reference where_;  ///< empty once used
    std::shared_ptr<const void> old_;
};

/// A variable that each task has of its own: the request's id, the user, the locale. Python's
/// `contextvars` in C++.
///
///     const coroscope::context_var<std::string> request_id("request_id");
///     ...
///     auto token = request_id.set("r-17");   // in a task: seen by what it calls and creates
///     log(request_id.get());
///     request_id.reset(std::move(token));
///
/// A task gets a copy of its creator's context when it is created, a callback one of its
/// scheduler's, a done callback one of the place that added it, an executor's job one of the place
/// that submitted it. What they set, nobody else sees. Outside of a loop each thread has a context
/// of its own.
///
/// Values are copied out; hold something large by `shared_ptr`. **Thread safety**: any thread.
/// **Lifetime**: usually static; contexts may outlive it. **Cost**: a look-up among the variables
/// that are set; `set` copies that list. Until the first `set` in the process contexts cost
/// nothing.
template <class T>
    requires std::copy_constructible<T>
class context_var {
public:
    explicit context_var(std::string name) : name_(std::move(name)) {}
    context_var(std::string name, T fallback)
        : name_(std::move(name)),
          fallback_(std::make_shared<const T>(std::move(fallback))) {}
    context_var(const context_var&) = delete;
    context_var& operator=(const context_var&) = delete;
    ~context_var() = default;

    /// The value in the current context, or the variable's default; throws `std::out_of_range` if
    /// there is neither.
    [[nodiscard]] T get() const {
        const auto value = find(detail::current_context());
        if (value != nullptr) { return *static_cast<const T*>(value.get()); }
        if (fallback_ == nullptr) { detail::throw_no_value(name_); }
        return *fallback_;
    }
    /// As `get`, with a default that goes before the variable's own.
    [[nodiscard]] T get(T otherwise) const {
        const auto value = find(detail::current_context());
        return value != nullptr ? *static_cast<const T*>(value.get()) : std::move(otherwise);
    }
    context_token<T> set(T value) const {
        auto& in = detail::current_context();
        auto old = find(in);
        detail::set_value_in(in, variable_, std::make_shared<const T>(std::move(value)));
        return context_token<T>(variable_, in, std::move(old));
    }
    /// Restores what was before the `set` that gave the token. Throws `invalid_state_error` for a
    /// token that was used, `std::invalid_argument` for one of another variable or context.
    void reset(context_token<T> token) const {
        if (token.variable_ != variable_) { detail::throw_token_of_another(name_, "variable"); }
        if (!token.where_) { detail::throw_token_used(name_); }
        auto& in = detail::current_context();
        if (token.where_.get() != in.get()) { detail::throw_token_of_another(name_, "context"); }
        detail::set_value_in(in, variable_, std::move(token.old_));
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    friend class context;
    [[nodiscard]] std::shared_ptr<const void> find(
        const detail::context_reference& in) const noexcept {
        return detail::value_in(in, variable_);
    }

    std::string name_;
    std::shared_ptr<const T> fallback_;
    std::uint64_t variable_ = detail::next_context_variable();
};

/// A set of variables' values to run code in. Handles: copies mean the same context.
/// **Thread safety**: one thread at a time may be inside; `run` says so otherwise.
class context {
public:
    /// An empty one.
    context() : cell_(new detail::context_cell) {}

    /// Calls `f()` in it and returns its result; what `f` sets stays in it. Throws
    /// `invalid_state_error` if it has been entered already, here or in another thread.
    template <class F>
    decltype(auto) run(F&& f) const {
        const entered inside(cell_);
        return std::invoke(std::forward<F>(f));
    }
    /// Another context with the same values.
    [[nodiscard]] context copy() const;
    /// The value of a variable in it; nothing if it is not set.
    template <class T>
    [[nodiscard]] std::optional<T> get(const context_var<T>& variable) const {
        const auto value = variable.find(cell_);
        return value != nullptr ? std::optional<T>(*static_cast<const T*>(value.get()))
                                : std::nullopt;
    }
    /// How many variables are set.
    [[nodiscard]] std::size_t size() const noexcept;

    /// For the library's own components.
    [[nodiscard]] const detail::context_reference& reference() const noexcept { return cell_; }

private:
    friend context copy_context();
    explicit context(detail::context_reference cell) noexcept : cell_(std::move(cell)) {}

    class entered {
    public:
        explicit entered(const detail::context_reference& cell);
        entered(const entered&) = delete;
        entered& operator=(const entered&) = delete;
        ~entered();

    private:
        detail::context_reference slot_;
        detail::context_scope scope_;
    };

    detail::context_reference cell_;
};

/// A copy of the context that the caller runs in.
[[nodiscard]] context copy_context();

}  // namespace coroscope
