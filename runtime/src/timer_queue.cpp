// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/timer_queue.hpp>

#include <algorithm>

namespace coroscope::detail {
namespace {

constexpr std::size_t arity = 4;  // shallower than binary, and siblings share cache lines

}  // namespace

void timer_queue::arm(timer_node& node, time_point deadline) {
    const entry e{deadline, next_sequence_++, &node};
    heap_.push_back(e);
    sift_up(heap_.size() - 1, e);
}

void timer_queue::disarm(timer_node& node) noexcept {
    if (node.armed()) {
        remove_at(node.index);
        node.index = timer_node::not_armed;
    }
}

timer_node& timer_queue::pop() noexcept {
    auto& node = *heap_.front().node;
    remove_at(0);
    node.index = timer_node::not_armed;
    return node;
}

std::vector<time_point> timer_queue::deadlines() const {
    std::vector<time_point> all;
    all.reserve(heap_.size());
    for (const auto& e : heap_) {
        all.push_back(e.deadline);
    }
    return all;
}

void timer_queue::place(std::size_t index, const entry& e) noexcept {
    heap_[index] = e;
    e.node->index = index;
}

void timer_queue::sift_up(std::size_t index, const entry& e) noexcept {
    while (index > 0) {
        const auto parent = (index - 1) / arity;
        if (!e.before(heap_[parent])) { break; }
        place(index, heap_[parent]);
        index = parent;
    }
    place(index, e);
}

void timer_queue::sift_down(std::size_t index, const entry& e) noexcept {
    const auto size = heap_.size();
    for (;;) {
        const auto first = index * arity + 1;
        if (first >= size) { break; }
        auto least = first;
        const auto end = std::min(first + arity, size);
        for (auto child = first + 1; child < end; ++child) {
            if (heap_[child].before(heap_[least])) { least = child; }
        }
        if (!heap_[least].before(e)) { break; }
        place(index, heap_[least]);
        index = least;
    }
    place(index, e);
}

void timer_queue::remove_at(std::size_t index) noexcept {
    const auto last = heap_.back();
    heap_.pop_back();
    if (index == heap_.size()) { return; }
    if (index > 0 && last.before(heap_[(index - 1) / arity])) {
        sift_up(index, last);
    } else {
        sift_down(index, last);
    }
}

}  // namespace coroscope::detail
