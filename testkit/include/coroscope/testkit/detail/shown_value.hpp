// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <ostream>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

namespace coroscope::testkit::detail {

/// In quotes, with escapes for what cannot be seen; the middle of a long text is left out.
[[nodiscard]] std::string quoted(std::string_view text);
[[nodiscard]] std::string shown_duration(duration d);
/// Of a value that has no other form: `a client::request`.
[[nodiscard]] std::string shown_type(const std::type_info& type);

template <class T>
concept streamable = requires(std::ostream& out, const T& value) {
    out << value;
};

template <class T>
inline constexpr bool is_chrono_duration = false;
template <class Rep, class Period>
inline constexpr bool is_chrono_duration<std::chrono::duration<Rep, Period>> = true;

/// Like a smart pointer or an optional: may be empty, and leads to a value.
template <class T>
concept leads_to_value = requires(const T& value) {
    static_cast<bool>(value);
    *value;
}
&&!std::is_void_v<std::remove_pointer_t<T>> && !std::is_function_v<std::remove_pointer_t<T>>;

template <class T>
[[nodiscard]] std::string shown(const T& value);

template <class Range>
[[nodiscard]] std::string shown_elements(const Range& range) {
    constexpr std::size_t most = 20;
    std::string text;
    std::size_t count = 0;
    for (const auto& element : range) {
        if (count++ == most) { return "[" + text + ", ...]"; }
        text += (text.empty() ? "" : ", ") + shown(element);
    }
    return "[" + text + "]";
}

/// A value as a failure shows it.
template <class T>
std::string shown(const T& value) {
    if constexpr (std::same_as<T, bool>) {
        return value ? "true" : "false";
    } else if constexpr (std::convertible_to<const T&, std::string_view>) {
        return quoted(std::string_view(value));
    } else if constexpr (is_chrono_duration<T>) {
        return shown_duration(std::chrono::duration_cast<duration>(value));
    } else if constexpr (std::is_enum_v<T> && !streamable<T>) {
        return std::to_string(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (leads_to_value<T>) {
        return static_cast<bool>(value) ? shown(*value) : "nothing";
    } else if constexpr (streamable<T>) {
        std::ostringstream text;
        text << value;
        return text.str();
    } else if constexpr (std::ranges::input_range<const T&>) {
        return shown_elements(value);
    } else {
        return shown_type(typeid(T));
    }
}

}  // namespace coroscope::testkit::detail
