// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/combine.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace coroscope {

/// What came of something: its result, or what it threw. See `gather_outcomes`.
template <class T = void>
class outcome {
public:
    using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    explicit outcome(value_type value) : content_(std::in_place_index<0>, std::move(value)) {}
    explicit outcome(std::exception_ptr thrown) noexcept
        : content_(std::in_place_index<1>, std::move(thrown)) {}

    [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
    /// Null if it is a result.
    [[nodiscard]] std::exception_ptr exception() const noexcept {
        return has_value() ? nullptr : std::get<1>(content_);
    }
    /// The result; throws what was thrown instead, if something was.
    const value_type& value() const& {
        if (!has_value()) { std::rethrow_exception(std::get<1>(content_)); }
        return std::get<0>(content_);
    }
    value_type value() && {
        if (!has_value()) { std::rethrow_exception(std::get<1>(content_)); }
        return std::get<0>(std::move(content_));
    }

private:
    std::variant<value_type, std::exception_ptr> content_;
};

namespace detail {

template <class Awaitable>
coro<outcome<typename Awaitable::result_type>> outcome_of(Awaitable child) {
    using result = outcome<typename Awaitable::result_type>;
    std::exception_ptr thrown;
    try {
        if constexpr (std::is_void_v<typename Awaitable::result_type>) {
            co_await std::move(child);
            co_return result(std::monostate());
        } else {
            auto value = co_await std::move(child);
            co_return result(std::move(value));
        }
    } catch (...) { thrown = std::current_exception(); }
    co_return result(std::move(thrown));
}

}  // namespace detail

/// `gather` with asyncio's `return_exceptions`: waits for all, whatever comes of them.
///
///     const auto [page, image] = co_await gather_outcomes(fetch(a), fetch(b));
///     if (!image.has_value()) { log(image.exception()); }
///
/// Takes `coro`s and `task`s, or one vector of either, and gives an `outcome` for each, in the
/// order of the arguments. What a child throws, a cancellation of its own included, is its outcome.
/// Cancelling the gather cancels every child and ends it as cancelled. Result types are object
/// types or void.
template <class... Children>
[[nodiscard]] auto gather_outcomes(Children... children) {
    return gather(detail::outcome_of(std::move(children))...);
}
template <class Child>
[[nodiscard]] auto gather_outcomes(std::vector<Child> children) {
    std::vector<coro<outcome<typename Child::result_type>>> all;
    all.reserve(children.size());
    for (auto& child : children) {
        all.push_back(detail::outcome_of(std::move(child)));
    }
    return gather(std::move(all));
}

}  // namespace coroscope
