// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/frame_memory.hpp>

#include "cached_blocks.hpp"
#include "fork_safety.hpp"
#include "task_slabs.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <span>
#include <utility>

#include <sys/mman.h>

#if defined(COROSCOPE_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace coroscope::detail {
namespace {

// A class begins with small slabs and goes on with huge pages: among a million blocks each access
// would else wait for the page tables first (a quarter of the row timers_1m).
constexpr std::size_t small_slab_bytes = std::size_t{256} * 1024;
constexpr std::size_t huge_page_bytes = std::size_t{2} * 1024 * 1024;
constexpr std::size_t small_slabs = 16;
constexpr std::uint32_t refill_blocks = 32;
// What a freed block waits for before it is used again, under the address sanitizer, and where a
// race detector tells of who uses it all the same.
constexpr std::uint32_t quarantined_blocks = 256;
constexpr std::uint32_t watched_blocks = 8;

static_assert(task_record_bytes == sizeof(task_record));

/// Poisoning for the address sanitizer; nothing without it.
void hide(block_kind kind, void* block, std::size_t size) noexcept {
#if defined(COROSCOPE_ADDRESS_SANITIZER)
    // Readers may look at a free task's record, and links lie behind it.
    const auto visible =
        (kind == block_kind::task ? task_record_bytes : std::size_t{0}) + sizeof(void*);
    __asan_poison_memory_region(static_cast<std::byte*>(block) + visible, size - visible);
#else
    static_cast<void>(kind);
    static_cast<void>(block);
    static_cast<void>(size);
#endif
}

void show(void* block, std::size_t size) noexcept {
#if defined(COROSCOPE_ADDRESS_SANITIZER)
    __asan_unpoison_memory_region(block, size);
#else
    static_cast<void>(block);
    static_cast<void>(size);
#endif
}

using memory_range = std::span<std::byte>;

/// Empty: there is no memory.
[[nodiscard]] memory_range map_memory(std::size_t bytes) noexcept {
    void* memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? memory_range()
                                : memory_range(static_cast<std::byte*>(memory), bytes);
}

void unmap(memory_range range) noexcept {
    if (!range.empty()) { ::munmap(range.data(), range.size()); }
}

/// Aligned memory that the system may back with a huge page. Empty: there is none.
[[nodiscard]] memory_range map_huge_page() noexcept {
    const auto around = map_memory(2 * huge_page_bytes);
    if (around.empty()) { return around; }
    const auto above = reinterpret_cast<std::uintptr_t>(around.data()) % huge_page_bytes;
    const auto before = (huge_page_bytes - above) % huge_page_bytes;
    const auto page = around.subspan(before, huge_page_bytes);
    unmap(around.first(before));
    unmap(around.subspan(before + huge_page_bytes));
    ::madvise(page.data(), page.size(), MADV_HUGEPAGE);  // small pages will do as well
    return page;
}

/// `older`: how many slabs the class has.
[[nodiscard]] memory_range map_slab(std::size_t older) {
    auto slab = older < small_slabs ? memory_range() : map_huge_page();
    if (slab.empty()) { slab = map_memory(small_slab_bytes); }
    if (slab.empty()) { throw std::bad_alloc(); }
#if defined(COROSCOPE_ADDRESS_SANITIZER)
    __lsan_register_root_region(slab.data(), slab.size());
#endif
    return slab;
}

[[nodiscard]] std::uint32_t blocks_to_rest() noexcept {
    if constexpr (blocks_are_quarantined) { return quarantined_blocks; }
    return single_accesses_are_told() ? watched_blocks : 0;
}

/// Free blocks linked to each other, as a thread gave them back; described in the first of them,
/// behind its link.
struct batch {
    void* next_block;
    void* next_batch;
    std::uint32_t count;
};

[[nodiscard]] batch& batch_in(block_kind kind, void* first) noexcept {
    return reinterpret_cast<batch&>(link_of(kind, first));
}

/// What threads give back and take from: per class, batches of blocks, and the slab that new ones
/// are carved from. A batch is handed on as it came: to walk through one that left the processor's
/// caches takes as long as a hundred instructions for each block (the row timers_1m).
class depot {
public:
    /// Fills an empty list: with a batch, else with `wanted` new blocks. Whoever touches a huge
    /// page first waits for 2 MiB to be cleared, and so do others who come here meanwhile.
    [[gnu::no_sanitize_address]] void refill(block_kind kind, std::size_t index, block_list& list,
                                             std::uint32_t wanted) {
        const std::scoped_lock lock(mutex_);
        auto& place = shelf_of(kind, index);
        // Under quarantine a returned block is not used again while fresh memory can be had for it.
        if (place.batches > blocks_to_rest()) {
            list.head = place.first_batch;
            const auto& taken = batch_in(kind, list.head);
            list.count = taken.count;
            place.first_batch = taken.next_batch;
            --place.batches;
            return;
        }
        while (list.count < wanted) {
            push(kind, list, carve(kind, index, place));
        }
    }

    /// Takes all blocks of a list but the `left` freed last.
    [[gnu::no_sanitize_address]] void take_back(block_kind kind, std::size_t index,
                                                block_list& list, std::uint32_t left) {
        if (list.count <= left) { return; }
        void** end = &list.head;
        for (std::uint32_t i = 0; i < left; ++i) {
            end = &link_of(kind, *end);
        }
        auto* const first = std::exchange(*end, nullptr);
        auto& given = batch_in(kind, first);
        given.count = std::exchange(list.count, left) - left;
        given.next_batch = nullptr;

        const std::scoped_lock lock(mutex_);
        auto& place = shelf_of(kind, index);
        if (place.batches == 0) {
            place.first_batch = first;
        } else {
            batch_in(kind, place.last_batch).next_batch = first;
        }
        place.last_batch = first;
        ++place.batches;
    }

    [[nodiscard]] std::mutex& lock() noexcept { return mutex_; }

private:
    struct shelf {
        void* first_batch = nullptr;  // first in, first out, for the quarantine's sake
        void* last_batch = nullptr;
        std::size_t batches = 0;
        memory_range fresh;  // of the slab being carved
        std::size_t slabs = 0;
        task_slab_entry* published = nullptr;
    };

    [[nodiscard]] shelf& shelf_of(block_kind kind, std::size_t index) noexcept {
        return kind == block_kind::frame ? frames_[index] : tasks_[index];
    }

    static void push(block_kind kind, block_list& list, void* block) noexcept {
        link_of(kind, block) = list.head;
        list.head = block;
        ++list.count;
    }

    [[nodiscard]] static std::size_t stride_of(block_kind kind, std::size_t index) noexcept {
        const auto size = (index + 1) * block_granularity;
        // Records are aligned to cache lines.
        return kind == block_kind::task ? (size + 63) / 64 * 64 : size;
    }

    void* carve(block_kind kind, std::size_t index, shelf& from) {
        const auto stride = stride_of(kind, index);
        if (from.fresh.size() < stride) {
            from.fresh = map_slab(from.slabs);
            ++from.slabs;
            from.published =
                kind == block_kind::task ? &task_slabs.add(from.fresh.data(), stride) : nullptr;
        }
        auto* block = from.fresh.data();
        from.fresh = from.fresh.subspan(stride);
        if (from.published != nullptr) {
            ::new (static_cast<void*>(block)) task_record;
            from.published->carved.store(from.published->carved.load(std::memory_order_relaxed) + 1,
                                         std::memory_order_release);
        }
        hide(kind, block, stride);
        return block;
    }

    std::mutex mutex_;
    std::array<shelf, block_classes> frames_{};
    std::array<shelf, block_classes> tasks_{};
};

[[nodiscard]] depot& the_depot() {
    static auto* const instance = new depot;  // outlives every thread
    return *instance;
}

/// Gives a thread's blocks back when it ends.
struct cache_flusher {
    bool armed = false;
    bool ended = false;
    cache_flusher() = default;
    cache_flusher(const cache_flusher&) = delete;
    cache_flusher& operator=(const cache_flusher&) = delete;
    ~cache_flusher() {
        ended = true;  // what other thread-local objects free later goes to the depot at once
        give_back_cached_blocks();
    }
};

thread_local cache_flusher flusher;

/// Where each block is told of, as a new one. What is made while no loop runs is told as well: a
/// program makes its first coroutine before anybody is attached to the loop that runs it.
[[nodiscard]] bool blocks_are_told() noexcept {
    return block_listener != nullptr && (access_listener != nullptr || running_loop == nullptr);
}

/// Keeps a block in this thread's cache; hands it on if the thread ends, or if somebody wants to
/// know of each block that is used again.
[[maybe_unused]] void keep(block_kind kind, std::size_t index, void* memory) noexcept {
    auto& list = cached_list(kind, index);
    flusher.armed = true;
    list.limit = flusher.ended || blocks_are_told() ? 0 : cached_blocks;
    if (list.count >= list.limit) { the_depot().take_back(kind, index, list, list.limit / 2); }
    link_of(kind, memory) = list.head;
    list.head = memory;
    ++list.count;
    if (list.limit == 0) { the_depot().take_back(kind, index, list, 0); }
}

/// Leaves nothing in this thread's cache, so that the next one is allocated here as well.
[[nodiscard]] void* allocate_single(block_kind kind, std::size_t index) {
    block_list taken;
    the_depot().refill(kind, index, taken, 1);
    auto* const block = taken.head;
    taken.head = link_of(kind, block);
    --taken.count;
    the_depot().take_back(kind, index, taken, 0);
    return block;
}

}  // namespace

void give_back_cached_blocks() noexcept {
    for (const auto kind : {block_kind::frame, block_kind::task}) {
        for (std::size_t i = 0; i < block_classes; ++i) {
            auto& list = cached_list(kind, i);
            the_depot().take_back(kind, i, list, 0);
            list.limit = 0;
        }
    }
}

void* allocate_block_slow(block_kind kind, std::size_t size) {
    if (size > largest_block) {
        if (kind == block_kind::frame) {
            remark made;
            made.kind = remark_kind::large_block;
            made.amount = size;
            make_remark(made);
            return ::operator new(size);
        }
        // A task with a result this large: its block is made of ordinary memory, its record is
        // not listed.
        auto* block = ::operator new (size, std::align_val_t{64});
        ::new (block) task_record;
        return block;
    }
    flusher.armed = true;
    const auto index = block_class(size);
    if (blocks_are_told()) [[unlikely]] {
        auto* const block = allocate_single(kind, index);
        show(block, size);
        if (kind == block_kind::frame) {
            block_listener->on_begin_of_life(block, size);
        } else {
            block_listener->on_end_of_life(block, size);
        }
        return block;
    }
    auto& list = cached_list(kind, index);
    if (list.head == nullptr) {
        the_depot().refill(kind, index, list, blocks_are_quarantined ? 1 : refill_blocks);
    }
    auto* block = list.head;
    list.head = link_of(kind, block);
    --list.count;
    show(block, size);
    return block;
}

void free_block_slow(block_kind kind, void* memory, std::size_t size) noexcept {
    if (size > largest_block) {
        if (kind == block_kind::frame) {
            ::operator delete(memory, size);
        } else {
            ::operator delete (memory, size, std::align_val_t{64});
        }
        return;
    }
    const auto index = block_class(size);
    if (blocks_are_told()) [[unlikely]] { block_listener->on_end_of_life(memory, size); }
    if constexpr (blocks_are_quarantined) {
        block_list single{memory, 1};
        link_of(kind, memory) = nullptr;
        hide(kind, memory, (index + 1) * block_granularity);
        the_depot().take_back(kind, index, single, 0);
    } else {
        keep(kind, index, memory);
    }
}

std::size_t task_slab_count() noexcept {
    return task_slabs.count();
}

slab_view task_slab(std::size_t index) noexcept {
    const auto& entry = task_slabs.at(index);
    return {entry.first, entry.stride, entry.carved.load(std::memory_order_acquire)};
}

std::mutex& lock_of_block_depot() noexcept {
    return the_depot().lock();
}

}  // namespace coroscope::detail
