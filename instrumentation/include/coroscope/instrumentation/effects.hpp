// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace coroscope::instrumentation {
namespace detail {

/// Hears the effects and the operations of one thread.
class effect_sink {
public:
    virtual void on_effect(std::string_view name, std::string value) = 0;
    /// An operation begins in the task that runs. Returns what names it at its end; 0: nothing
    /// does.
    [[nodiscard]] virtual std::uint64_t on_operation_begins(std::string_view name) = 0;
    virtual void on_operation_ends(std::uint64_t which) noexcept = 0;

protected:
    effect_sink() = default;
    effect_sink(const effect_sink&) = default;
    effect_sink& operator=(const effect_sink&) = default;
    ~effect_sink() = default;
};

/// Of this thread; null: nobody listens. Whoever sets it puts back what was there.
inline constinit thread_local effect_sink* effect_listener = nullptr;

template <class T>
struct effect_text;

/// What `effect` can show.
template <class T>
concept effect_value = requires(const T& value) {
    { effect_text<T>::of(value) } -> std::convertible_to<std::string>;
};

template <class T>
[[nodiscard]] std::string text_of_effect(const T& value) {
    return effect_text<std::remove_cvref_t<T>>::of(value);
}

template <class T>
    requires std::is_arithmetic_v<T>
struct effect_text<T> {
    [[nodiscard]] static std::string of(T value) {
        if constexpr (std::same_as<T, bool>) {
            return value ? "true" : "false";
        } else if constexpr (std::same_as<T, char>) {
            return {value};
        } else {
            return std::to_string(value);
        }
    }
};

template <class T>
    requires std::is_enum_v<T>
struct effect_text<T> {
    [[nodiscard]] static std::string of(T value) {
        return std::to_string(static_cast<std::underlying_type_t<T>>(value));
    }
};

template <class T>
    requires std::convertible_to<const T&, std::string_view>
struct effect_text<T> {
    [[nodiscard]] static std::string of(const T& value) {
        return std::string(std::string_view(value));
    }
};

/// Pairs and tuples.
template <template <class...> class Tuple, class... T>
    requires(effect_value<std::remove_cvref_t<T>>&&...)
&&requires {
    std::tuple_size<Tuple<T...>>::value;
}
struct effect_text<Tuple<T...>> {
    [[nodiscard]] static std::string of(const Tuple<T...>& value) {
        std::string text;
        const auto add = [&text](const auto& each) {
            text += (text.empty() ? "" : ", ") + text_of_effect(each);
        };
        std::apply([&add](const auto&... each) { (add(each), ...); }, value);
        return "(" + text + ")";
    }
};

/// An optional.
template <class T>
    requires requires(const T& value) {
        value.has_value();
        *value;
    }
struct effect_text<T> {
    [[nodiscard]] static std::string of(const T& value) {
        return value.has_value() ? text_of_effect(*value) : "nothing";
    }
};

/// Containers, in their own order.
template <class T>
    requires(!std::convertible_to<const T&, std::string_view>)
&&requires(const T& value) {
    value.begin();
    value.end();
    requires effect_value<std::remove_cvref_t<decltype(*value.begin())>>;
}
struct effect_text<T> {
    [[nodiscard]] static std::string of(const T& value) {
        std::string text;
        for (const auto& each : value) {
            text += (text.empty() ? "" : ", ") + text_of_effect(each);
        }
        return "[" + text + "]";
    }
};

}  // namespace detail

/// Says what the program did: a row was written, an answer sent, an account's last balance. An
/// exploration with `check_outcomes` compares the effects of each execution with those of its
/// serial runs, in which one operation is done after the other.
///
///     effect("balance", account.balance);
///
/// What counts is which values a name was given, and how often; not in which order, and not by
/// whom: state the whole order as one value, or the author as a part of the name, where they
/// matter. State what has to be right whatever comes first, and so no times, no numbers of
/// attempts.
///
/// `value`: a number, an enumerator, a string, or a pair, tuple, optional or container of those.
/// **Thread safety**: counts on the thread that explores, and is ignored on others. **Cost**: a
/// load and a branch where nobody listens, so that it may stay in production code.
template <class T>
    requires detail::effect_value<std::remove_cvref_t<T>>
void effect(std::string_view name, const T& value) {
    if (detail::effect_listener != nullptr) [[unlikely]] {
        detail::effect_listener->on_effect(name, detail::text_of_effect(value));
    }
}

/// One operation of a task that does several: from here to the end of the scope. Where a task has
/// one anywhere, what it does outside of them belongs to no operation, and others may come in
/// between. Without, the whole task is one operation.
///
///     for (const auto& order : orders) {
///         const op_scope one("place an order");
///         co_await place(order);
///     }
///
/// Between two operations of one task others can only come in where it awaits something.
/// **Cost**: as `effect`.
class [[nodiscard]] op_scope {
public:
    explicit op_scope(std::string_view name)
        : which_(detail::effect_listener != nullptr
                     ? detail::effect_listener->on_operation_begins(name)
                     : 0) {}
    op_scope(const op_scope&) = delete;
    op_scope& operator=(const op_scope&) = delete;
    ~op_scope() {
        if (which_ != 0 && detail::effect_listener != nullptr) [[unlikely]] {
            detail::effect_listener->on_operation_ends(which_);
        }
    }

private:
    std::uint64_t which_;
};

}  // namespace coroscope::instrumentation
