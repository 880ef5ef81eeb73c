// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace coroscope::detail {

/// A move-only `void()` with room for 48 bytes of captures before it allocates
/// (`std::move_only_function` is C++23).
class callback {
public:
    callback() = default;

    template <class F>
        requires(!std::is_same_v<std::decay_t<F>, callback>)
    callback(F&& f) {  // NOLINT(google-explicit-constructor): a callable is a callback
        using stored = std::decay_t<F>;
        if constexpr (sizeof(stored) <= capacity && alignof(stored) <= alignof(std::max_align_t)
                      && std::is_nothrow_move_constructible_v<stored>) {
            ::new (static_cast<void*>(storage_)) stored(std::forward<F>(f));
            operations_ = &inline_operations<stored>;
        } else {
            ::new (static_cast<void*>(storage_)) stored*(new stored(std::forward<F>(f)));
            operations_ = &heap_operations<stored>;
        }
    }

    callback(callback&& other) noexcept : operations_(std::exchange(other.operations_, nullptr)) {
        if (operations_ != nullptr) { operations_->relocate(other.storage_, storage_); }
    }
    callback& operator=(callback&& other) noexcept {
        if (this != &other) {
            reset();
            operations_ = std::exchange(other.operations_, nullptr);
            if (operations_ != nullptr) { operations_->relocate(other.storage_, storage_); }
        }
        return *this;
    }
    ~callback() { reset(); }

    explicit operator bool() const noexcept { return operations_ != nullptr; }
    void operator()() { operations_->call(storage_); }

    void reset() noexcept {
        if (operations_ != nullptr) { std::exchange(operations_, nullptr)->destroy(storage_); }
    }

private:
    static constexpr std::size_t capacity = 48;

    struct operations {
        void (*call)(std::byte*);
        void (*relocate)(std::byte* from, std::byte* to) noexcept;
        void (*destroy)(std::byte*) noexcept;
    };

    template <class F>
    static F* at(std::byte* storage) noexcept {
        return std::launder(reinterpret_cast<F*>(storage));
    }

    template <class F>
    static constexpr operations inline_operations = {[](std::byte* s) { (*at<F>(s))(); },
                                                     [](std::byte* from, std::byte* to) noexcept {
                                                         ::new (static_cast<void*>(to))
                                                             F(std::move(*at<F>(from)));
                                                         std::destroy_at(at<F>(from));
                                                     },
                                                     [](std::byte* s) noexcept {
                                                         std::destroy_at(at<F>(s));
                                                     }};

    template <class F>
    static constexpr operations heap_operations = {[](std::byte* s) { (**at<F*>(s))(); },
                                                   [](std::byte* from, std::byte* to) noexcept {
                                                       ::new (static_cast<void*>(to))
                                                           F*(*at<F*>(from));
                                                   },
                                                   [](std::byte* s) noexcept {
                                                       delete *at<F*>(s);
                                                   }};

    const operations* operations_ = nullptr;
    alignas(std::max_align_t) std::byte storage_[capacity];
};

}  // namespace coroscope::detail
