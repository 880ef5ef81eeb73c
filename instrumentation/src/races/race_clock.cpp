// SPDX-License-Identifier: Apache-2.0
#include "race_clock.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>

namespace coroscope::instrumentation::detail {

/// `children` above the lowest level, `times` in it.
struct clock_node {
    static constexpr std::uint32_t bits = 4;
    static constexpr std::size_t places = std::size_t{1} << bits;

    explicit clock_node(bool is_leaf) noexcept {
        if (is_leaf) {
            times = {};
        } else {
            children = {};
        }
    }

    std::uint32_t references = 1;
    union {
        std::array<clock_node*, places> children;
        std::array<std::uint32_t, places> times;
    };
};

namespace {

// For tests. What one thread made another one may drop.
constinit std::atomic<std::size_t> clock_nodes_alive{0};

[[nodiscard]] clock_node* new_clock_node(std::uint32_t level) {
    auto* node = new clock_node(level == 1);
    clock_nodes_alive.fetch_add(1, std::memory_order_relaxed);
    return node;
}

clock_node* shared_node(clock_node* node) noexcept {
    if (node != nullptr) { ++node->references; }
    return node;
}

// Five levels at most.
void release_node(clock_node* node, std::uint32_t level) noexcept {
    if (node == nullptr || --node->references != 0) { return; }
    if (level > 1) {
        for (auto* child : node->children) {
            release_node(child, level - 1);
        }
    }
    delete node;
    clock_nodes_alive.fetch_sub(1, std::memory_order_relaxed);
}

[[nodiscard]] std::size_t place_of(std::uint32_t slot, std::uint32_t level) noexcept {
    return (slot >> ((level - 1) * clock_node::bits)) % clock_node::places;
}

/// A node that only its parent refers to, with the same contents.
void make_unique_node(clock_node*& node, std::uint32_t level) {
    if (node == nullptr) {
        node = new_clock_node(level);
        return;
    }
    if (node->references == 1) { return; }
    auto* copy = new_clock_node(level);
    if (level == 1) {
        copy->times = node->times;
    } else {
        copy->children = node->children;
        for (auto* child : copy->children) {
            shared_node(child);
        }
    }
    release_node(node, level);
    node = copy;
}

[[nodiscard]] clock_node* joined_leaves(clock_node* left, clock_node* right) {
    std::array<std::uint32_t, clock_node::places> times{};
    std::transform(left->times.begin(), left->times.end(), right->times.begin(), times.begin(),
                   [](auto a, auto b) { return std::max(a, b); });
    if (times == left->times) { return shared_node(left); }
    if (times == right->times) { return shared_node(right); }
    auto* made = new_clock_node(1);
    made->times = times;
    return made;
}

/// With a reference for the caller. One of the two, where that has all that the other has.
/// `known` comes before `left`: where `right` is no more than that, it is not walked.
[[nodiscard]] clock_node* joined_nodes(clock_node* left, clock_node* right, const clock_node* known,
                                       std::uint32_t level) {
    if (left == right || right == nullptr || right == known) { return shared_node(left); }
    if (left == nullptr) { return shared_node(right); }
    if (level == 1) { return joined_leaves(left, right); }
    std::array<clock_node*, clock_node::places> children{};
    for (std::size_t i = 0; i < children.size(); ++i) {
        children[i] = joined_nodes(left->children[i], right->children[i],
                                   known != nullptr ? known->children[i] : nullptr, level - 1);
    }
    const bool is_left = children == left->children;
    if (is_left || children == right->children) {
        for (auto* child : children) {
            release_node(child, level - 1);
        }
        return shared_node(is_left ? left : right);
    }
    auto* made = new_clock_node(level);
    made->children = children;
    return made;
}

}  // namespace

race_clock::race_clock(const race_clock& other) noexcept
    : root_(shared_node(other.root_)),
      levels_(other.levels_) {}

race_clock::~race_clock() {
    release_node(root_, levels_);
}

std::uint32_t race_clock::time_of(std::uint32_t slot) const noexcept {
    if (root_ == nullptr || (slot >> (levels_ * clock_node::bits)) != 0) { return 0; }
    const auto* node = root_;
    for (auto level = levels_; level > 1; --level) {
        node = node->children[place_of(slot, level)];
        if (node == nullptr) { return 0; }
    }
    return node->times[place_of(slot, 1)];
}

void race_clock::grow_to(std::uint32_t levels) {
    if (root_ == nullptr) { levels_ = std::max(levels_, levels); }
    while (levels_ < levels) {
        auto* above = new_clock_node(levels_ + 1);
        above->children[0] = root_;
        root_ = above;
        ++levels_;
    }
}

void race_clock::raise(std::uint32_t slot, std::uint32_t time) {
    assert(slot < most_slots);
    if (time_of(slot) >= time) { return; }
    std::uint32_t levels = 1;
    while ((slot >> (levels * clock_node::bits)) != 0) {
        ++levels;
    }
    grow_to(levels);
    auto** node = &root_;
    for (auto level = levels_; level > 1; --level) {
        make_unique_node(*node, level);
        node = &(*node)->children[place_of(slot, level)];
    }
    make_unique_node(*node, 1);
    (*node)->times[place_of(slot, 1)] = time;
}

void race_clock::join(const race_clock& other, const race_clock& known) {
    if (other.root_ == nullptr || is_same(other)) { return; }
    race_clock right(other);
    right.grow_to(levels_);
    grow_to(right.levels_);
    race_clock both(known);
    both.grow_to(levels_);
    auto* made = joined_nodes(root_, right.root_, both.root_, levels_);
    release_node(root_, levels_);
    root_ = made;
}

std::size_t race_clock::nodes_alive() noexcept {
    return clock_nodes_alive.load(std::memory_order_relaxed);
}

}  // namespace coroscope::instrumentation::detail
