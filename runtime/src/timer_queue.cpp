// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/timer_queue.hpp>

#include <algorithm>
#include <cstddef>
#include <new>
#include <stdexcept>

namespace coroscope::detail {
namespace {

constexpr std::size_t arity = 4;  // shallower than binary, and siblings share cache lines

/// With a million timers each level is in memory that no cache holds: what the next level may need
/// is fetched while this one is compared (the row virtual_timers_1m).
constexpr std::size_t too_many_for_a_cache = std::size_t{1} << 14U;

void prefetch(const void* begin, std::size_t bytes) noexcept {
    constexpr std::size_t line = 64;
    for (std::size_t at = 0; at < bytes; at += line) {
        __builtin_prefetch(static_cast<const std::byte*>(begin) + at);
    }
}

}  // namespace

void timer_queue::arm(timer_node& node, time_point deadline) {
    heap_.emplace_back();  // before the slot, which would be lost if there is no memory
    try {
        node.slot = new_slot(node);
    } catch (...) {
        heap_.pop_back();
        throw;
    }
    sift_up(heap_.size() - 1, {deadline, next_sequence_++, node.slot});
}

void timer_queue::disarm(timer_node& node) noexcept {
    if (!node.armed()) { return; }
    slots_[node.slot] = nullptr;
    node.slot = timer_node::not_armed;
    ++cancelled_;
    constexpr std::size_t too_few_to_mind = 64;
    if (cancelled_ > too_few_to_mind && cancelled_ > heap_.size() / 2) {
        drop_all_cancelled();
    } else {
        drop_cancelled_tops();
    }
}

timer_node& timer_queue::pop() noexcept {
    auto& node = *vacate(heap_.front().slot);
    remove_top();
    drop_cancelled_tops();
    return node;
}

std::vector<time_point> timer_queue::deadlines() const {
    std::vector<time_point> all;
    all.reserve(size());
    for (const auto& e : heap_) {
        if (slots_[e.slot] != nullptr) { all.push_back(e.deadline); }
    }
    return all;
}

std::uint32_t timer_queue::new_slot(timer_node& node) {
    if (!free_slots_.empty()) {
        const auto slot = free_slots_.back();
        free_slots_.pop_back();
        slots_[slot] = &node;
        return slot;
    }
    if (slots_.size() == timer_node::not_armed) {
        throw std::length_error("a loop can have 4294967295 timers at most");
    }
    slots_.push_back(&node);
    free_slots_.reserve(slots_.capacity());  // so that freeing one needs no memory
    return static_cast<std::uint32_t>(slots_.size() - 1);
}

timer_node* timer_queue::vacate(std::uint32_t slot) noexcept {
    auto* node = slots_[slot];
    free_slots_.push_back(slot);
    if (node != nullptr) {
        node->slot = timer_node::not_armed;
    } else {
        --cancelled_;
    }
    return node;
}

void timer_queue::sift_up(std::size_t index, entry e) noexcept {
    while (index > 0) {
        const auto parent = (index - 1) / arity;
        if (!e.before(heap_[parent])) { break; }
        heap_[index] = heap_[parent];
        index = parent;
    }
    heap_[index] = e;
}

void timer_queue::sift_down(std::size_t index, entry e) noexcept {
    const auto size = heap_.size();
    for (;;) {
        const auto first = index * arity + 1;
        if (first >= size) { break; }
        const auto grandchild = first * arity + 1;
        if (size > too_many_for_a_cache && grandchild + arity * arity <= size) {
            prefetch(&heap_[grandchild], arity * arity * sizeof(entry));
        }
        auto least = first;
        const auto end = std::min(first + arity, size);
        for (auto child = first + 1; child < end; ++child) {
            if (heap_[child].before(heap_[least])) { least = child; }
        }
        if (!heap_[least].before(e)) { break; }
        heap_[index] = heap_[least];
        index = least;
    }
    heap_[index] = e;
}

void timer_queue::remove_top() noexcept {
    const auto last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) { sift_down(0, last); }
}

void timer_queue::drop_cancelled_tops() noexcept {
    while (!heap_.empty() && slots_[heap_.front().slot] == nullptr) {
        vacate(heap_.front().slot);
        remove_top();
    }
}

void timer_queue::drop_all_cancelled() noexcept {
    std::erase_if(heap_, [this](const entry& e) {
        const bool is_cancelled = slots_[e.slot] == nullptr;
        if (is_cancelled) { vacate(e.slot); }
        return is_cancelled;
    });
    make_heap();
}

void timer_queue::make_heap() noexcept {
    if (heap_.size() < 2) { return; }
    for (auto parent = (heap_.size() - 2) / arity + 1; parent-- > 0;) {
        sift_down(parent, heap_[parent]);
    }
}

/// Looks at due entries only, which are the top of the heap, and at their children.
bool timer_queue::many_are_due(time_point now) const {
    const auto many = heap_.size() / 8;
    std::vector<std::size_t> open{0};
    std::size_t due = 0;
    while (!open.empty()) {
        const auto index = open.back();
        open.pop_back();
        if (heap_[index].deadline > now) { continue; }
        if (++due >= many) { return true; }
        const auto first = index * arity + 1;
        for (auto child = first; child < std::min(first + arity, heap_.size()); ++child) {
            open.push_back(child);
        }
    }
    return false;
}

timer_queue::sorted_timers::sorted_timers(timer_queue& of, time_point now) noexcept : queue_(of) {
    try {
        if (of.many_are_due(now)) { pick(now); }
    } catch (const std::bad_alloc&) { of.make_heap(); }  // then one by one
}

void timer_queue::sorted_timers::pick(time_point now) {
    auto& heap = queue_.heap_;
    const auto rest = std::partition(heap.begin(), heap.end(),
                                     [now](const entry& e) { return e.deadline > now; });
    due_.assign(rest, heap.end());
    heap.erase(rest, heap.end());
    queue_.make_heap();
    queue_.drop_cancelled_tops();
    std::sort(due_.begin(), due_.end(), [](const entry& a, const entry& b) { return a.before(b); });
}

/// A million nodes lie in another order than they are due: fetched ahead, and before that the slots
/// that say where (the row timers_1m).
void timer_queue::sorted_timers::prefetch_ahead() const noexcept {
    constexpr std::size_t near = 8;
    constexpr std::size_t far = 16;
    const auto& slots = queue_.slots_;
    if (taken_ + far < due_.size()) { __builtin_prefetch(&slots[due_[taken_ + far].slot]); }
    if (taken_ + near < due_.size()) { __builtin_prefetch(slots[due_[taken_ + near].slot]); }
}

timer_node* timer_queue::sorted_timers::next() noexcept {
    while (taken_ < due_.size()) {
        prefetch_ahead();
        auto* node = queue_.vacate(due_[taken_++].slot);
        if (node != nullptr) { return node; }
    }
    return nullptr;
}

timer_queue::sorted_timers::~sorted_timers() {
    if (taken_ == due_.size()) { return; }
    auto& heap = queue_.heap_;  // has kept its room
    heap.insert(heap.end(), due_.begin() + static_cast<std::ptrdiff_t>(taken_), due_.end());
    queue_.make_heap();
    queue_.drop_cancelled_tops();
}

}  // namespace coroscope::detail
