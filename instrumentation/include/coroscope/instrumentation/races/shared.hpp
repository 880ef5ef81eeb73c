// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/annotation.hpp>
#include <coroscope/instrumentation/races/tracked.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace coroscope::instrumentation {

namespace detail {

/// What `shared` and `watched_reference` have in common: `Derived::place()` is where the value
/// lies.
template <class Derived, class T>
class annotated_variable {
public:
    using value_type = T;
    annotated_variable(const annotated_variable&) = delete;
    annotated_variable& operator=(const annotated_variable&) = delete;

    /// Reads it.
    [[nodiscard]] tracked<T> get(
        await_site where = await_site::current()) const requires std::copy_constructible<T> {
        auto& value = value_of();
        cell_.note_read(address(), sizeof(T), where);
        return tracked<T>(value, cell_.last_read(address()));
    }
    /// Overwrites it. With a `tracked` value the detector knows what it was computed from.
    void set(T value, await_site where = await_site::current()) {
        cell_.note_write(address(), sizeof(T), where);
        value_of() = std::move(value);
    }
    template <class U>
        requires std::convertible_to<const U&, T>
    void set(const tracked<U>& value, await_site where = await_site::current()) {
        cell_.note_write(address(), sizeof(T), where, written_value::derived, value.origin());
        value_of() = value.peek();
    }
    /// Reads and writes it in one go: `f` gets a reference, and must not await, which a plain
    /// function cannot. Returns what `f` does.
    template <class F>
        requires std::invocable<F, T&>
    decltype(auto) update(F&& f, await_site where = await_site::current()) {
        cell_.note_read(address(), sizeof(T), where);
        cell_.note_write(address(), sizeof(T), where, written_value::update,
                         cell_.last_read(address()));
        return std::forward<F>(f)(value_of());
    }
    /// For logging and for assertions afterwards: no access.
    [[nodiscard]] const T& peek() const noexcept { return value_of(); }
    /// What it is for a detector. Stays the same as long as it lives.
    [[nodiscard]] const void* address() const noexcept { return std::addressof(value_of()); }

protected:
    explicit annotated_variable(variable_label label) noexcept : cell_(label) {}
    ~annotated_variable() = default;

private:
    [[nodiscard]] T& value_of() const noexcept {
        return static_cast<const Derived&>(*this).place();
    }
    mutable variable_cell cell_;
};

}  // namespace detail

/// A variable that several tasks use, whose accesses a race detector sees in any build.
///
///     coroscope::instrumentation::shared<int> balance{0, "balance"};
///     coroscope::coro<> deposit(int amount) {
///         const auto before = balance.get();
///         co_await coroscope::yield_now();
///         balance.set(before + amount);  // finding: stale-write
///     }
///
/// It neither locks nor copies more than a plain `T` does. `name` is a literal; without one,
/// findings say where the variable was made.
/// **Thread safety**: as a plain `T`. **Lifetime**: as any variable; one used after its end is not
/// seen here, see `watched`. **Cost**: see `docs/races.md`; 40 bytes beside the value.
template <class T>
class shared final : public detail::annotated_variable<shared<T>, T> {
    using base = detail::annotated_variable<shared<T>, T>;

public:
    explicit shared(T value = T(), const char* name = nullptr,
                    await_site where = await_site::current())
        : base({name, where}),
          value_(std::move(value)) {}
    ~shared() { detail::tell_end_of_life(std::addressof(value_), sizeof(T)); }

private:
    friend base;
    [[nodiscard]] T& place() const noexcept { return value_; }
    mutable T value_;
};

/// Made by `watch`.
template <class T>
class watched_reference final : public detail::annotated_variable<watched_reference<T>, T> {
    using base = detail::annotated_variable<watched_reference<T>, T>;

public:
    watched_reference(const char* name, T& to, await_site where) noexcept
        : base({name, where}),
          to_(to) {}
    ~watched_reference() = default;

private:
    friend base;
    [[nodiscard]] T& place() const noexcept { return to_; }
    T& to_;
};

/// Accesses to something that is declared elsewhere: made by `watch`, used as a `shared` is. Two of
/// them to one object are accesses to one variable.
///
///     auto db = coroscope::instrumentation::watch("db", server.database);
///     const auto rows = db.get();
template <class T>
[[nodiscard]] watched_reference<T> watch(const char* name, T& to,
                                         await_site where = await_site::current()) noexcept {
    return watched_reference<T>(name, to, where);
}

/// States that variables belong together: each task updates all of them, or reads all of them, with
/// no suspension between, or under one lock. While one task has changed some and not the others, no
/// other may look.
///
///     coroscope::instrumentation::invariant_group sums{"debit and credit", debit, credit};
///
/// **Lifetime**: the variables outlive it.
class invariant_group {
public:
    template <class... Variables>
        requires(sizeof...(Variables) >= 2 && sizeof...(Variables) <= 32)
    explicit invariant_group(const char* name, const Variables&... variables)
        : registration_(name, {variables.address()...}) {}

private:
    detail::group_registration registration_;
};

/// What the task or callback accesses within this scope is harmless although other orders give
/// other values, for a reason that findings are counted under: a statistic, a hint, a cache.
///
///     const coroscope::instrumentation::benign why("an estimate is good enough");
///
/// Within one step: a scope that awaits keeps it for that task alone.
class benign {
public:
    /// `reason` is a literal, and must not be empty.
    explicit benign(const char* reason) noexcept { tell(reason); }
    ~benign() { tell(nullptr); }
    benign(const benign&) = delete;
    benign& operator=(const benign&) = delete;

private:
    static void tell(const char* reason) noexcept {
        if (detail::annotation_listener != nullptr) {
            detail::annotation_listener->on_benign(reason);
        }
    }
};

}  // namespace coroscope::instrumentation
