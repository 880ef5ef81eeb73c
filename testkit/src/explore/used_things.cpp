// SPDX-License-Identifier: Apache-2.0
#include "used_things.hpp"

#include <coroscope/runtime/detail/frame_memory.hpp>

#include <iterator>

#include <pthread.h>

#ifdef COROSCOPE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace coroscope::testkit::detail {
namespace {

[[nodiscard]] std::uintptr_t end_of_stack() noexcept {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) { return 0; }
    void* lowest = nullptr;
    std::size_t size = 0;
    ::pthread_attr_getstack(&attributes, &lowest, &size);
    ::pthread_attr_destroy(&attributes);
    return reinterpret_cast<std::uintptr_t>(lowest) + size;
}

/// Where this would lie on the stack: the address sanitizer keeps variables of functions elsewhere.
[[nodiscard]] std::uintptr_t place_on_stack(std::uintptr_t address) noexcept {
#ifdef COROSCOPE_ADDRESS_SANITIZER
    auto* const thing = reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
    auto* const fake = __asan_get_current_fake_stack();
    auto* const place =
        fake != nullptr ? __asan_addr_is_in_fake_stack(fake, thing, nullptr, nullptr) : nullptr;
    if (place != nullptr) { return reinterpret_cast<std::uintptr_t>(place); }
#endif
    return address;
}

/// What synchronises is a point.
[[nodiscard]] std::size_t extent(std::size_t bytes) noexcept {
    return bytes == 0 ? 1 : bytes;
}

[[nodiscard]] bool overlap(const thing_name& a, const thing_name& b) noexcept {
    return a.begin < b.begin + extent(b.bytes) && b.begin < a.begin + extent(a.bytes);
}

/// It existed in both executions, and has the same name in them.
[[nodiscard]] bool is_older(const thing_name& thing, std::uint32_t base) noexcept {
    return thing.where == thing_name::home::fixed
           || (thing.where != thing_name::home::unknown && thing.step < base);
}

}  // namespace

bool may_be_same(const thing_name& first, const thing_name& other, std::uint32_t base) noexcept {
    using home = thing_name::home;
    if ((first.bytes == 0) != (other.bytes == 0)) { return false; }
    const bool is_known = is_older(first, base);
    if (is_known && is_older(other, base)) {
        return first.where == other.where && first.step == other.step
               && first.number == other.number && overlap(first, other);
    }
    // What was made since then is known to those alone who came after that.
    const auto is_young = [base](const thing_name& thing) {
        return thing.where == home::born && thing.step >= base;
    };
    if (is_young(first) || is_young(other)) { return false; }
    // What was born, and what is older than the exploration, is known wherever it is seen.
    const auto is_elsewhere = [](const thing_name& thing) {
        return thing.where == home::fixed || thing.where == home::born;
    };
    if (is_elsewhere(first) || is_elsewhere(other)) { return false; }
    // What was used before is known again, unless a part of it was.
    const bool has_part = first.where == home::unknown || other.where == home::unknown;
    return has_part || (!is_known && !is_older(other, base));
}

used_things::used_things() : stack_end_(end_of_stack()) {}

void used_things::begin() noexcept {
    born_.clear();
    objects_.clear();
    data_.clear();
    numbered_step_ = 0;
    last_number_ = 0;
    older_ = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

std::uint32_t used_things::next_number(std::uint32_t step) noexcept {
    if (step != numbered_step_) {
        numbered_step_ = step;
        last_number_ = 0;
    }
    return ++last_number_;
}

used_things::births::iterator used_things::first_overlap(births& of, std::uintptr_t begin,
                                                         std::size_t bytes) {
    auto found = of.upper_bound(begin);
    if (found != of.begin()) {
        const auto before = std::prev(found);
        if (before->first + extent(before->second.bytes) > begin) { return before; }
    }
    return found != of.end() && found->first < begin + extent(bytes) ? found : of.end();
}

void used_things::forget(births& of, std::uintptr_t begin, std::size_t bytes) {
    for (auto at = first_overlap(of, begin, bytes); at != of.end() && at->first < begin + bytes;) {
        at = of.erase(at);
    }
}

void used_things::begin_of_life(std::uintptr_t begin, std::size_t bytes, std::uint32_t step) {
    end_of_life(begin, bytes);
    born_.insert_or_assign(begin, birth{bytes, step, next_number(step)});
}

void used_things::end_of_life(std::uintptr_t begin, std::size_t bytes) {
    for (auto* of : {&born_, &objects_, &data_}) {
        forget(*of, begin, bytes);
    }
}

bool used_things::is_passing(std::uintptr_t address) const noexcept {
    const auto place = place_on_stack(address);
    return place < older_ && place >= reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

thing_name used_things::name(std::uintptr_t begin, std::size_t bytes, std::uint32_t step) {
    using home = thing_name::home;
    const auto place = place_on_stack(begin);
    if (place >= older_ && place < stack_end_) { return {home::fixed, 0, 0, begin, bytes}; }
    const auto within = first_overlap(born_, begin, bytes);
    if (within != born_.end()) {
        const auto& born = within->second;
        return {home::born, born.step, born.number, begin - within->first, bytes};
    }
    auto& known = bytes == 0 ? objects_ : data_;
    const auto found = first_overlap(known, begin, bytes);
    if (found == known.end()) {
        const birth born{bytes, step, next_number(step)};
        known.insert({begin, born});
        return {home::touched, born.step, born.number, 0, bytes};
    }
    const auto& born = found->second;
    const bool is_same = found->first == begin && born.bytes == bytes;
    return {is_same ? home::touched : home::unknown, born.step, born.number, 0, bytes};
}

}  // namespace coroscope::testkit::detail
