// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace coroscope::detail {

/// Holds a result that arrives later: any object type (move-only and without default constructor
/// included), a reference, or void.
template <class T>
class result_slot {
public:
    template <class U>
    void set(U&& value) {
        value_.emplace(std::forward<U>(value));
    }
    [[nodiscard]] const T& get() const& noexcept { return *value_; }
    [[nodiscard]] T get() && { return std::move(*value_); }

private:
    std::optional<T> value_;
};

/// Results this large are kept apart, so that every task's block fits into the task table's slabs,
/// and those of extended alignment, which coroutine frames do not give.
inline constexpr std::size_t largest_inline_result = 1024;

template <class T>
    requires(
        std::is_object_v<
            T> && (sizeof(T) > largest_inline_result || alignof(T) > alignof(std::max_align_t)))
class result_slot<T> {
public:
    template <class U>
    void set(U&& value) {
        value_ = std::make_unique<T>(std::forward<U>(value));
    }
    [[nodiscard]] const T& get() const& noexcept { return *value_; }
    [[nodiscard]] T get() && { return std::move(*value_); }

private:
    std::unique_ptr<T> value_;
};

template <class T>
class result_slot<T&> {
public:
    void set(T& value) noexcept { value_ = &value; }
    [[nodiscard]] T& get() const noexcept { return *value_; }

private:
    T* value_ = nullptr;
};

template <>
class result_slot<void> {
public:
    void set() noexcept {}
    void get() const noexcept {}
};

template <class T>
struct shared_result_of {
    using type = const T&;
};
template <class T>
struct shared_result_of<T&> {
    using type = T&;
};
template <>
struct shared_result_of<void> {
    using type = void;
};

/// What awaiting an lvalue handle of a result gives: a look at it, since others may look too.
template <class T>
using shared_result = typename shared_result_of<T>::type;

}  // namespace coroscope::detail
