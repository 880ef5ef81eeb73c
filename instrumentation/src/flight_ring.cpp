// SPDX-License-Identifier: Apache-2.0
#include "flight_ring.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace coroscope::instrumentation {
namespace {

constexpr std::size_t least_capacity = 1024;  // more than the loop ever delivers at once
constexpr unsigned duration_bits = 32;
constexpr unsigned kind_bits = 2;
constexpr std::uint64_t low_half = 0xffffU;

}  // namespace

std::uint64_t bits_of(const await_site& site) noexcept {
    static_assert(sizeof(await_site) == sizeof(std::uint64_t));
    const auto bits = std::bit_cast<std::uint64_t>(site);
    return bits >> 48U == 0 ? bits : 0;  // an address that user programs do not have: not known
}

await_site site_of(std::uint64_t bits) noexcept {
    return std::bit_cast<await_site>(bits);
}

flight_event pack(const step_record& step) noexcept {
    auto ticks = step.end - step.begin;
    unsigned shift = 0;
    if (ticks >> duration_bits != 0) [[unlikely]] {
        shift = static_cast<unsigned>(std::bit_width(ticks)) - duration_bits;
        ticks >>= shift;
    }
    const auto detail =
        static_cast<std::uint8_t>(static_cast<unsigned>(step.kind) | shift << kind_bits);
    return {step.begin, flight_event::header_of(flight_kind::step, detail, step.id),
            bits_of(step.from) << 16U | (ticks & low_half),
            bits_of(step.to) << 16U | (ticks >> 16U)};
}

flight_step unpack(const flight_event& step) noexcept {
    const auto ticks = (step.first & low_half) | (step.second & low_half) << 16U;
    return {static_cast<step_kind>(step.detail() & ((1U << kind_bits) - 1)),
            ticks << (step.detail() >> kind_bits), site_of(step.first >> 16U),
            site_of(step.second >> 16U)};
}

flight_ring::flight_ring(std::size_t capacity)
    : mask_(std::bit_ceil(std::max(capacity, least_capacity)) - 1),
      slots_(std::make_unique<slot[]>(mask_ + 1)) {}

flight_ring::flight_ring(copy_tag /*tag*/, const flight_ring& live)
    : mask_(live.mask_),
      slots_(std::make_unique<slot[]>(mask_ + 1)),
      next_(live.begin()) {
    const auto last = live.end();
    first_ = next_;
    while (next_ != last) {
        flight_event e;
        const bool whole = live.read(next_, e);
        put(e);
        if (!whole) { first_ = next_; }  // and so is everything before it
    }
    reserved_.store(next_, std::memory_order_relaxed);
    publish();
}

std::uint64_t flight_ring::begin() const noexcept {
    const auto last = reserved_.load(std::memory_order_acquire);
    const auto lost = last > capacity() ? last - capacity() : 0;
    return std::min(std::max(first_, lost), end());
}

bool flight_ring::read(std::uint64_t number, flight_event& e) const noexcept {
    const auto& words = slots_[number & mask_];
    e.stamp = words[0].load(std::memory_order_acquire);
    e.header = words[1].load(std::memory_order_acquire);
    e.first = words[2].load(std::memory_order_acquire);
    e.second = words[3].load(std::memory_order_acquire);
    return number >= first_ && reserved_.load(std::memory_order_acquire) <= number + capacity();
}

std::string_view flight_name::view() const noexcept {
    return {letters.data(), ::strnlen(letters.data(), letters.size())};
}

flight_name name_after(const flight_ring& ring, std::uint64_t number,
                       const flight_event& of) noexcept {
    flight_name name;
    std::size_t length = 0;
    for (std::uint64_t i = 1; i <= of.detail() && length < name.letters.size(); ++i) {
        flight_event part;
        if (!ring.read(number + i, part) || part.kind() != flight_kind::name) { break; }
        for (const auto word : {part.stamp, part.first, part.second}) {
            std::memcpy(name.letters.data() + length, &word, sizeof(word));
            length += sizeof(word);
        }
    }
    return name;
}

}  // namespace coroscope::instrumentation
