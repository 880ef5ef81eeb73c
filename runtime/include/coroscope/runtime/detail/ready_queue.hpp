// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace coroscope::detail {

class task_core;
class handle_state;

/// Something that can run: a task's next step or a callback, told apart by the lowest bit.
class ready_entry {
public:
    ready_entry() = default;
    explicit ready_entry(task_core* task) noexcept
        : bits_(reinterpret_cast<std::uintptr_t>(task)) {}
    explicit ready_entry(handle_state* handle) noexcept
        : bits_(reinterpret_cast<std::uintptr_t>(handle) | handle_bit) {}

    [[nodiscard]] bool is_task() const noexcept { return (bits_ & handle_bit) == 0; }
    [[nodiscard]] task_core* task() const noexcept {
        return reinterpret_cast<task_core*>(bits_);  // NOLINT(performance-no-int-to-ptr)
    }
    [[nodiscard]] handle_state* handle() const noexcept {
        return reinterpret_cast<handle_state*>(  // NOLINT(performance-no-int-to-ptr)
            bits_ & ~handle_bit);
    }
    /// Where it lies, perhaps one byte on; 0 for none. To be prefetched.
    [[nodiscard]] std::uintptr_t address() const noexcept { return bits_; }

private:
    static constexpr std::uintptr_t handle_bit = 1;
    std::uintptr_t bits_ = 0;
};

/// First in, first out; a ring that doubles when full and keeps its memory.
class ready_queue {
public:
    [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }
    [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
    [[nodiscard]] ready_entry at(std::size_t index) const noexcept {
        return entries_[(head_ + index) & mask_];
    }

    void push(ready_entry entry) {
        if (tail_ - head_ > mask_) [[unlikely]] {
            push_slow(entry);
            return;
        }
        entries_[tail_ & mask_] = entry;
        ++tail_;
    }

    [[nodiscard]] ready_entry pop() noexcept {
        const auto entry = entries_[head_ & mask_];
        ++head_;
        return entry;
    }

    /// Takes the entry at `index`; the others keep their order.
    [[nodiscard]] ready_entry take(std::size_t index) noexcept {
        const auto entry = at(index);
        for (auto i = index; i > 0; --i) {
            entries_[(head_ + i) & mask_] = entries_[(head_ + i - 1) & mask_];
        }
        ++head_;
        return entry;
    }

private:
    [[gnu::noinline, gnu::cold]] void push_slow(ready_entry entry) {
        grow();
        push(entry);
    }

    void grow() {
        const auto old_size = size();
        const auto capacity = (mask_ + 1) * 2;
        auto grown = std::make_unique<ready_entry[]>(capacity);
        for (std::size_t i = 0; i < old_size; ++i) {
            grown[i] = at(i);
        }
        entries_ = std::move(grown);
        mask_ = capacity - 1;
        head_ = 0;
        tail_ = old_size;
    }

    static constexpr std::size_t first_capacity = 64;
    std::unique_ptr<ready_entry[]> entries_ = std::make_unique<ready_entry[]>(first_capacity);
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
    std::size_t mask_ = first_capacity - 1;  ///< capacity less one; the capacity is a power of two
};

}  // namespace coroscope::detail
