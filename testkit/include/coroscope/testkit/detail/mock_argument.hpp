// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/detail/shown_value.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coroscope::testkit {

/// Stands for any value where arguments are expected.
struct any_value {};
inline constexpr any_value anything{};

/// Stands for values that `accepts` returns true for; made by `matching`.
template <class F>
struct value_matching {
    F accepts;
    std::string description;
};

/// For arguments that are to be checked in another way than by `==`:
///
///     send.assert_awaited_with(matching([](const packet& p) { return p.size() > 3; }, "a long
///     one"));
template <class F>
[[nodiscard]] value_matching<F> matching(F accepts, std::string description = "what is accepted") {
    return {std::move(accepts), std::move(description)};
}

namespace detail {

/// How a mock keeps an argument of type `A`. Values are copied, as they are when the call comes;
/// what cannot be copied is moved in when the call is awaited, unless a side effect gets it; views
/// become strings. Of an object that came by reference and cannot be copied, or has virtual
/// functions, its address is kept.
template <class A>
struct kept_argument {
    using object = std::remove_cvref_t<A>;
    static constexpr bool is_text =
        std::same_as<object, std::string_view> || std::same_as<object, const char*>;
    static constexpr bool is_identity =
        std::is_lvalue_reference_v<
            A> && (!std::is_copy_constructible_v<object> || std::is_polymorphic_v<object>);
    static constexpr bool is_moved_in = !is_identity && !std::is_copy_constructible_v<object>;
    using type = std::conditional_t<is_identity, const object*,
                                    std::conditional_t<is_text, std::string, object>>;

    std::optional<type> value;  ///< empty: not here (yet)

    void keep_at_call(const object& argument) {
        if constexpr (is_identity) {
            value = &argument;
        } else if constexpr (std::same_as<object, const char*>) {
            value = argument != nullptr ? argument : "(null)";
        } else if constexpr (!is_moved_in) {
            value.emplace(argument);
        }
    }
    void keep_at_await(std::remove_reference_t<A>& argument) {
        if constexpr (is_moved_in) { value.emplace(std::move(argument)); }
    }

    [[nodiscard]] std::string text() const {
        if (!value.has_value()) { return "(moved on)"; }
        if constexpr (is_identity) {
            return shown_type(typeid(object)) + " at " + shown(static_cast<const void*>(*value));
        } else {
            return shown(*value);
        }
    }
};

/// What an argument of type `A` is to be.
template <class A>
class expected_argument {
public:
    using kept = kept_argument<A>;
    using type = typename kept::type;

    // NOLINTBEGIN(google-explicit-constructor): stands for what it is made from
    expected_argument(any_value) : accepts_([](const type&) { return true; }), text_("anything") {}

    template <class F>
    expected_argument(value_matching<F> matcher)
        : accepts_(by_predicate(std::move(matcher.accepts))),
          text_("<" + matcher.description + ">") {}

    template <class V>
        requires(!kept::is_identity
                 && requires(const type& kept_value, const std::decay_t<V>& value) {
                        { kept_value == value } -> std::convertible_to<bool>;
                    })
    expected_argument(V&& value) : text_(shown(value)) {
        accepts_ = by_value(std::decay_t<V>(std::forward<V>(value)));
    }

    expected_argument(const typename kept::object& same) requires(kept::is_identity)
        : accepts_([expected = &same](const type& kept_value) { return kept_value == expected; }) {
        kept shown_as;
        shown_as.keep_at_call(same);
        text_ = shown_as.text();
    }
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] bool accepts(const kept& argument) const {
        return argument.value.has_value() && accepts_(*argument.value);
    }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    /// Shared, so that what is expected may be something that cannot be copied.
    template <class V>
    [[nodiscard]] static std::function<bool(const type&)> by_value(V value) {
        auto shared = std::make_shared<const V>(std::move(value));
        return [shared](const type& kept_value) {
            return static_cast<bool>(kept_value == *shared);
        };
    }
    template <class F>
    [[nodiscard]] static std::function<bool(const type&)> by_predicate(F accepts) {
        auto shared = std::make_shared<F>(std::move(accepts));
        return [shared](const type& kept_value) {
            if constexpr (kept::is_identity) {
                return static_cast<bool>((*shared)(*kept_value));
            } else {
                return static_cast<bool>((*shared)(kept_value));
            }
        };
    }

    std::function<bool(const type&)> accepts_;
    std::string text_;
};

}  // namespace detail
}  // namespace coroscope::testkit
