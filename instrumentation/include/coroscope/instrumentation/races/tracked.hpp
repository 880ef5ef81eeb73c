// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace coroscope::instrumentation {

/// A value that knows which read of which variable it came from. Made by `shared<T>::get`; carried
/// through arithmetic and comparison, until it is tested, copied out as a plain `T`, or written.
///
/// That is how a race detector tells a re-read whose value was used from one that was not: kept as
/// `auto`, a value is *used* when something is computed from it, and *tested* when a branch is
/// taken on it. As a plain `T` it counts as used at once.
/// **Thread safety**: a value. **Lifetime**: may outlive its variable. **Cost**: 24 bytes beside
/// the value; without a race detector, loads and branches.
template <class T>
class tracked {
public:
    using value_type = T;

    tracked(T value, const detail::provenance& from) : value_(std::move(value)), from_(from) {}

    /// The plain value. A `bool` counts as tested, anything else as used.
    operator T() const {  // NOLINT(google-explicit-constructor): takes part in any expression
        note(std::same_as<T, bool> ? detail::value_use::tested : detail::value_use::computed);
        return value_;
    }
    explicit operator bool() const
        requires(!std::same_as<T, bool> && std::constructible_from<bool, const T&>) {
        note(detail::value_use::tested);
        return static_cast<bool>(value_);
    }
    /// Reads on in a class: `names.get()->size()`.
    const T* operator->() const {
        note(detail::value_use::computed);
        return &value_;
    }
    /// For logging: no use.
    [[nodiscard]] const T& peek() const noexcept { return value_; }
    [[nodiscard]] const detail::provenance& origin() const noexcept { return from_; }

private:
    void note(detail::value_use how) const noexcept { detail::note_use_of(from_, how); }

    T value_;
    detail::provenance from_;
};

namespace detail {

template <class T>
inline constexpr bool is_tracked = false;
template <class T>
inline constexpr bool is_tracked<tracked<T>> = true;

template <class L, class R>
concept any_tracked = is_tracked<std::remove_cvref_t<L>> || is_tracked<std::remove_cvref_t<R>>;

template <class T>
[[nodiscard]] const auto& plain(const T& value) noexcept {
    if constexpr (is_tracked<T>) {
        return value.peek();
    } else {
        return value;
    }
}

/// Of two, the older one: what it knows is what may be out of date. The other counts as used.
template <class L, class R>
[[nodiscard]] provenance older(const L& left, const R& right) noexcept {
    if constexpr (!is_tracked<R>) {
        return left.origin();
    } else if constexpr (!is_tracked<L>) {
        return right.origin();
    } else {
        const bool is_left = left.origin().segment <= right.origin().segment;
        note_use_of(is_left ? right.origin() : left.origin(), value_use::computed);
        return is_left ? left.origin() : right.origin();
    }
}

template <class Operation, class L, class R>
[[nodiscard]] auto combine(const L& left, const R& right) {
    auto value = Operation()(plain(left), plain(right));
    return tracked<decltype(value)>(std::move(value), older(left, right));
}

/// What a test of a comparison tests. Of two reads of one variable the newer one: the other is what
/// it is looked at again for.
template <class L, class R>
[[nodiscard]] provenance compared(const L& left, const R& right) noexcept {
    if constexpr (is_tracked<L> && is_tracked<R>) {
        const auto& a = left.origin();
        const auto& b = right.origin();
        if (a.object == b.object && a.object != nullptr) { return a.segment < b.segment ? b : a; }
    }
    return older(left, right);
}

template <class Operation, class L, class R>
[[nodiscard]] tracked<bool> compare(const L& left, const R& right) {
    return {Operation()(plain(left), plain(right)), compared(left, right)};
}

struct shift_left {
    auto operator()(const auto& left, const auto& right) const { return left << right; }
};
struct shift_right {
    auto operator()(const auto& left, const auto& right) const { return left >> right; }
};

}  // namespace detail

template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator+(const L& l, const R& r) {
    return detail::combine<std::plus<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator-(const L& l, const R& r) {
    return detail::combine<std::minus<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator*(const L& l, const R& r) {
    return detail::combine<std::multiplies<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator/(const L& l, const R& r) {
    return detail::combine<std::divides<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator%(const L& l, const R& r) {
    return detail::combine<std::modulus<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator&(const L& l, const R& r) {
    return detail::combine<std::bit_and<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator|(const L& l, const R& r) {
    return detail::combine<std::bit_or<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator^(const L& l, const R& r) {
    return detail::combine<std::bit_xor<>>(l, r);
}
/// To the left of `<<` may stand a stream, to which a plain value goes.
template <class L, class R>
    requires(detail::is_tracked<L>)
[[nodiscard]] auto operator<<(const L& l, const R& r) {
    return detail::combine<detail::shift_left>(l, r);
}
template <class L, class R>
    requires(detail::is_tracked<L>)
[[nodiscard]] auto operator>>(const L& l, const R& r) {
    return detail::combine<detail::shift_right>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator==(const L& l, const R& r) {
    return detail::compare<std::equal_to<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator!=(const L& l, const R& r) {
    return detail::compare<std::not_equal_to<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator<(const L& l, const R& r) {
    return detail::compare<std::less<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator>(const L& l, const R& r) {
    return detail::compare<std::greater<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator<=(const L& l, const R& r) {
    return detail::compare<std::less_equal<>>(l, r);
}
template <class L, class R>
    requires detail::any_tracked<L, R>
[[nodiscard]] auto operator>=(const L& l, const R& r) {
    return detail::compare<std::greater_equal<>>(l, r);
}
template <class T>
[[nodiscard]] auto operator-(const tracked<T>& t) {
    auto value = -t.peek();
    return tracked<decltype(value)>(std::move(value), t.origin());
}
template <class T>
[[nodiscard]] auto operator~(const tracked<T>& t) {
    auto value = ~t.peek();
    return tracked<decltype(value)>(std::move(value), t.origin());
}
/// A negated test is a test still to come.
template <class T>
[[nodiscard]] tracked<bool> operator!(const tracked<T>& t) {
    return {!static_cast<bool>(t.peek()), t.origin()};
}

}  // namespace coroscope::instrumentation
