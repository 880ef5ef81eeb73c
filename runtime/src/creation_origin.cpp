// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/creation_origin.hpp>

#include "fork_safety.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <sys/mman.h>

namespace coroscope {

using detail::origin_entry;

static_assert(sizeof(await_site) == sizeof(std::uint64_t));

namespace {

[[nodiscard]] std::uint64_t bits_of(const await_site& site) noexcept {
    return std::bit_cast<std::uint64_t>(site);
}

/// A sum of products, with another odd factor for each place (multilinear hashing, Carter and
/// Wegman): the products do not wait for each other (the row origin_10). Then the finalizer of
/// MurmurHash3 (Appleby), since the table goes by the lowest bits.
[[nodiscard]] std::uint64_t hash_of(std::span<const await_site> sites) noexcept {
    constexpr std::uint64_t multiplier = 0xff51afd7ed558ccdULL;
    std::uint64_t hash = sites.size();
    std::uint64_t factor = multiplier;
    for (const auto& site : sites) {
        hash += bits_of(site) * factor;
        factor += 2 * multiplier;
    }
    hash = (hash ^ hash >> 33U) * multiplier;
    return hash ^ hash >> 33U;
}

/// All places of the process: a set with open addressing that never grows. Whoever looks a place up
/// takes no lock; whoever adds one does.
class origin_set {
public:
    [[nodiscard]] const origin_entry* find_or_add(std::span<const await_site> sites) noexcept {
        const auto hash = hash_of(sites);
        if (const auto* found = find(sites, hash)) { return found; }
        const std::scoped_lock lock(mutex_);
        if (const auto* found = find(sites, hash)) { return found; }
        return add(sites, hash);
    }
    void count_cut() noexcept { cut_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t cut() const noexcept {
        return cut_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::mutex& lock() noexcept { return mutex_; }

private:
    static constexpr std::size_t slots = 65536;
    static_assert(creation_origin::most_places < slots);

    [[nodiscard]] static bool is(const origin_entry& entry, std::span<const await_site> sites,
                                 std::uint64_t hash) noexcept {
        return entry.hash == hash && entry.count == sites.size()
               && std::equal(sites.begin(), sites.end(), entry.sites(),
                             [](const auto& a, const auto& b) { return bits_of(a) == bits_of(b); });
    }

    [[nodiscard]] const origin_entry* find(std::span<const await_site> sites,
                                           std::uint64_t hash) const noexcept {
        for (auto i = hash;; ++i) {
            const auto* entry = table_[i % slots].load(std::memory_order_acquire);
            if (entry == nullptr || is(*entry, sites, hash)) { return entry; }
        }
    }

    /// Null: there is no room.
    [[nodiscard]] const origin_entry* add(std::span<const await_site> sites,
                                          std::uint64_t hash) noexcept {
        auto* memory = count_ < creation_origin::most_places
                           ? carve(sizeof(origin_entry) + sites.size() * sizeof(await_site))
                           : nullptr;
        if (memory == nullptr) { return nullptr; }
        auto* entry = ::new (memory) origin_entry{hash, sites.size()};
        std::uninitialized_copy(sites.begin(), sites.end(),
                                reinterpret_cast<await_site*>(entry + 1));
        auto i = hash;
        while (table_[i % slots].load(std::memory_order_relaxed) != nullptr) {
            ++i;
        }
        table_[i % slots].store(entry, std::memory_order_release);
        ++count_;
        return entry;
    }

    [[nodiscard]] void* carve(std::size_t bytes) noexcept {
        constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;
        if (bytes > left_) {
            void* chunk = ::mmap(nullptr, chunk_bytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (chunk == MAP_FAILED) { return nullptr; }
            next_ = static_cast<std::byte*>(chunk);
            left_ = chunk_bytes;
        }
        left_ -= bytes;
        return std::exchange(next_, next_ + bytes);
    }

    std::array<std::atomic<const origin_entry*>, slots> table_{};
    std::mutex mutex_;
    std::byte* next_ = nullptr;
    std::size_t left_ = 0;
    std::size_t count_ = 0;
    std::atomic<std::uint64_t> cut_{0};
};

constinit origin_set origins;

}  // namespace

creation_origin creation_origin::of(std::span<const await_site> sites) noexcept {
    if (sites.empty()) { return {}; }
    creation_origin made(sites.front());
    if (sites.size() == 1) { return made; }
    const auto* entry = origins.find_or_add(sites.first(std::min(sites.size(), most_sites)));
    if (entry == nullptr) {
        origins.count_cut();
    } else {
        made.address_ = reinterpret_cast<std::uintptr_t>(entry) | entry_bit;
    }
    return made;
}

const origin_entry* creation_origin::entry() const noexcept {
    return (address_ & entry_bit) == 0
               ? nullptr
               : reinterpret_cast<const origin_entry*>(  // NOLINT(performance-no-int-to-ptr)
                   address_ & ~entry_bit);
}

await_site creation_origin::call() const noexcept {
    const auto* several = entry();
    return several != nullptr ? *several->sites() : std::bit_cast<await_site>(address_);
}

std::size_t creation_origin::size() const noexcept {
    const auto* several = entry();
    return several != nullptr ? several->count : std::size_t(address_ != 0);
}

std::vector<await_site> creation_origin::sites() const {
    if (const auto* several = entry()) {
        return {several->sites(), several->sites() + several->count};
    }
    return std::vector<await_site>(size(), call());
}

std::uint64_t origins_cut() noexcept {
    return origins.cut();
}

std::mutex& detail::lock_of_origins() noexcept {
    return origins.lock();
}

}  // namespace coroscope
