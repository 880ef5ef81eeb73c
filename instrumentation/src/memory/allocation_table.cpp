// SPDX-License-Identifier: Apache-2.0
#include "allocation_table.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <new>

#include <sys/mman.h>

namespace coroscope::instrumentation::detail {

constinit allocation_table process_allocations;

namespace {

constexpr std::uint64_t multiplier = 0x9E37'79B9'7F4A'7C15U;
constexpr std::uint64_t size_limit = (std::uint64_t{1} << 48U) - 1;
// Of the places, those that are left for what is counted together.
constexpr std::size_t kept_for_others = allocation_table::most_places / 4;
constexpr std::size_t place_slots = 2 * allocation_table::most_places;
constexpr std::size_t most_blocks = allocation_table::part_size / 2;

[[nodiscard]] std::uint64_t mixed(std::uint64_t hash, std::uint64_t more) noexcept {
    const auto product = (hash ^ more) * multiplier;
    return product ^ (product >> 32U);
}

[[nodiscard]] std::uint64_t number_of(const void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

template <class T>
[[nodiscard]] T* map_array(std::size_t count) {
    void* memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) { throw std::bad_alloc(); }
    return static_cast<T*>(memory);  // zeros are what a new T consists of
}

/// How many blocks of this size one sample stands for.
[[nodiscard]] double weight_of(std::size_t size, std::size_t period) noexcept {
    if (period == 0) { return 1; }
    const auto share =
        static_cast<double>(std::max<std::size_t>(size, 1)) / static_cast<double>(period);
    return 1 / -std::expm1(-share);
}

}  // namespace

std::uint64_t place_key::hash() const noexcept {
    auto made = mixed(who, loop_id);
    for (std::size_t i = 0; i < calls; ++i) {
        made = mixed(made, number_of(call[i]));
    }
    for (std::size_t i = 0; i < awaits; ++i) {
        made = mixed(made, number_of(await[i]));
    }
    return made;
}

bool place_key::equals(const place_key& other) const noexcept {
    if (who != other.who || loop_id != other.loop_id || calls != other.calls
        || awaits != other.awaits) {
        return false;
    }
    return std::equal(call.begin(), call.begin() + calls, other.call.begin())
           && std::equal(await.begin(), await.begin() + awaits, other.await.begin());
}

void allocation_table::map_memory() {
    if (order_ == nullptr) { order_ = map_array<std::uint32_t>(most_places); }
    if (places_ == nullptr) { places_ = map_array<counted_place>(place_slots); }
    for (auto& each : parts_) {
        if (each.blocks == nullptr) { each.blocks = map_array<live_block>(part_size); }
    }
}

void allocation_table::start(std::size_t period) {
    const std::lock_guard alone(reading_);
    map_memory();
    runs_.store(false, std::memory_order_relaxed);
    for (auto& each : parts_) {
        const std::lock_guard lock(each.lock);
        std::fill_n(each.blocks, part_size, live_block{});
        each.count = 0;
    }
    // Whoever had seen that it ran has left by now.
    for (std::size_t i = 0; i < place_slots; ++i) {
        auto& place = places_[i];
        place.is_used.store(false, std::memory_order_relaxed);
        place.amounts = {};
        place.peak_bytes = 0;
    }
    places_used_ = 0;
    sampled_blocks.clear();
    dropped_ = 0;
    live_bytes_ = 0;
    peak_bytes_ = 0;
    period_ = period;
    runs_.store(true, std::memory_order_release);
    watched_memory = period == 0 ? memory_watch::every_one : memory_watch::samples;
}

void allocation_table::stop() noexcept {
    watched_memory = memory_watch::nothing;
    runs_ = false;
}

void allocation_table::hold() noexcept {
    reading_.lock();
    for (auto& each : parts_) {
        each.lock.lock();
    }
}

void allocation_table::let_go() noexcept {
    for (auto& each : parts_) {
        each.lock.unlock();
    }
    reading_.unlock();
}

allocation_table::part& allocation_table::part_of(std::uintptr_t address) noexcept {
    return parts_[(address * multiplier) >> 58U];
}

std::size_t allocation_table::slot_of(std::uintptr_t address) noexcept {
    return ((address * multiplier) >> 40U) % part_size;
}

/// The block's, or the empty one that it would get.
allocation_table::live_block& allocation_table::slot_for(part& in,
                                                         std::uintptr_t address) noexcept {
    auto slot = slot_of(address);
    while (in.blocks[slot].address != 0 && in.blocks[slot].address != address) {
        slot = (slot + 1) % part_size;
    }
    return in.blocks[slot];
}

/// Moves up what was put behind it, so that no marks of the dead are needed.
void allocation_table::erase(part& from, live_block& gone) noexcept {
    auto hole = static_cast<std::size_t>(&gone - from.blocks);
    for (auto next = (hole + 1) % part_size; from.blocks[next].address != 0;
         next = (next + 1) % part_size) {
        const auto wanted = slot_of(from.blocks[next].address);
        if ((next - wanted) % part_size >= (next - hole) % part_size) {
            from.blocks[hole] = from.blocks[next];
            hole = next;
        }
    }
    from.blocks[hole] = {};
    --from.count;
}

void allocation_table::allocated(const void* block, std::size_t size, const place_key& key,
                                 std::string_view name) noexcept {
    const auto address = number_of(block);
    auto& in = part_of(address);
    const std::lock_guard lock(in.lock);
    if (!runs_.load(std::memory_order_relaxed)) { return; }
    auto& slot = slot_for(in, address);
    auto* const place =
        slot.address == 0 && in.count >= most_blocks ? nullptr : find_place(key, name);
    if (place == nullptr) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    if (slot.address != 0) {  // its free was not seen
        count(places_[slot.size_and_place >> 48U], slot.size_and_place & size_limit, true);
    } else {
        ++in.count;
        if (period() != 0) { sampled_blocks.add(block); }
    }
    const auto noted = std::min<std::uint64_t>(size, size_limit);
    slot = {address, (static_cast<std::uint64_t>(place - places_) << 48U) | noted};
    count(*place, noted, false);
}

void allocation_table::freed(const void* block) noexcept {
    const auto address = number_of(block);
    auto& in = part_of(address);
    const std::lock_guard lock(in.lock);
    if (!runs_.load(std::memory_order_relaxed)) { return; }
    auto& slot = slot_for(in, address);
    if (slot.address == 0) { return; }
    count(places_[slot.size_and_place >> 48U], slot.size_and_place & size_limit, true);
    erase(in, slot);
    if (period() != 0) { sampled_blocks.remove(block); }
}

void allocation_table::count(counted_place& place, std::size_t size, bool is_freed) noexcept {
    auto blocks = std::int64_t{1};
    auto bytes = static_cast<std::int64_t>(size);
    if (const auto between = period(); between != 0) {
        const auto weight = weight_of(size, between);
        blocks = std::llround(weight);
        bytes = std::llround(weight * static_cast<double>(size));
    }
    const auto sign = is_freed ? -1 : 1;
    const auto live = live_bytes_.fetch_add(sign * bytes, std::memory_order_relaxed) + sign * bytes;
    if (live > peak_bytes_.load(std::memory_order_relaxed)) {
        peak_bytes_.store(live, std::memory_order_relaxed);
    }
    const std::lock_guard lock(place.lock);
    auto& amounts = place.amounts;
    (is_freed ? amounts.freed_bytes : amounts.allocated_bytes) += bytes;
    (is_freed ? amounts.freed_blocks : amounts.allocated_blocks) += blocks;
    place.peak_bytes = std::max(place.peak_bytes, amounts.live_bytes());
}

counted_place* allocation_table::find_place(const place_key& key, std::string_view name) noexcept {
    const auto hash = key.hash();
    auto slot = hash % place_slots;
    while (places_[slot].is_used.load(std::memory_order_acquire)) {
        auto& place = places_[slot];
        if (place.hash == hash && place.key.equals(key)) { return &place; }
        slot = (slot + 1) % place_slots;
    }
    return add_place(slot, hash, key, name);
}

counted_place* allocation_table::add_place(std::size_t slot, std::uint64_t hash,
                                           const place_key& key, std::string_view name) noexcept {
    const bool is_other = key.who == 0;
    {
        const std::lock_guard lock(adding_);
        // Others may have added some meanwhile.
        while (places_[slot].is_used.load(std::memory_order_relaxed)) {
            auto& place = places_[slot];
            if (place.hash == hash && place.key.equals(key)) { return &place; }
            slot = (slot + 1) % place_slots;
        }
        if (places_used_ < most_places - (is_other ? 0 : kept_for_others)) {
            auto& place = places_[slot];
            place.hash = hash;
            place.key = key;
            place.name = {};
            std::copy_n(name.data(), std::min(name.size(), place.name.size()), place.name.begin());
            place.is_used.store(true, std::memory_order_release);
            order_[places_used_] = static_cast<std::uint32_t>(slot);
            places_used_.fetch_add(1, std::memory_order_release);
            return &place;
        }
    }
    if (is_other) { return nullptr; }
    auto others = key;
    others.who = 0;
    others.loop_id = 0;
    return find_place(others, "(other tasks)");
}

void allocation_table::read(memory_snapshot& into, std::uint32_t loop_id, std::uint64_t who) {
    const std::lock_guard alone(reading_);
    const auto count = places_used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
        auto& place = places_[order_[i]];
        if (who != 0 && (place.key.who != who || place.key.loop_id != loop_id)) { continue; }
        memory_place copy;
        copy.loop_id = place.key.loop_id;
        copy.who = place.key.who;
        const auto* const end = std::find(place.name.begin(), place.name.end(), '\0');
        copy.task.assign(place.name.data(), static_cast<std::size_t>(end - place.name.data()));
        for (std::size_t c = 0; c < place.key.calls; ++c) {
            copy.calls.push_back(const_cast<void*>(place.key.call[c]));
        }
        for (std::size_t a = 0; a < place.key.awaits; ++a) {
            copy.awaits.push_back(std::bit_cast<await_site>(place.key.await[a]));
        }
        {
            const std::lock_guard lock(place.lock);
            copy.amounts = place.amounts;
            copy.peak_bytes = place.peak_bytes;
        }
        into.places.push_back(std::move(copy));
    }
    into.dropped = dropped_;
    into.peak_bytes = peak_bytes_;
    into.period = static_cast<std::int64_t>(period());
}

}  // namespace coroscope::instrumentation::detail
