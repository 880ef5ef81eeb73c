// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <type_traits>

namespace coroscope::detail {

/// A variable of one thread that any other may look at. Costs its owner what a plain one does, and
/// promises readers no more than a value that was there: what belongs together they check
/// themselves.
template <class T>
class published {
public:
    published() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): stands for the variable itself
    published(T value) noexcept : value_(value) {}
    published(const published&) = delete;
    published& operator=(const published&) = delete;

    published& operator=(T value) noexcept {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }
    // NOLINTNEXTLINE(google-explicit-constructor): stands for the variable itself
    operator T() const noexcept { return get(); }
    [[nodiscard]] T get() const noexcept { return value_.load(std::memory_order_relaxed); }
    T operator->() const noexcept requires std::is_pointer_v<T> { return get(); }

private:
    std::atomic<T> value_{};
};

}  // namespace coroscope::detail
