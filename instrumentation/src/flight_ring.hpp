// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/observer.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace coroscope::instrumentation {

enum class flight_kind : std::uint8_t {
    none,
    step,   ///< detail: the `step_kind`, and above it how far the duration is shifted
    spawn,  ///< detail: how many `name`s follow; first: where; second: the creator's id
    end,    ///< detail: how many `name`s follow; first: the `task_outcome`
    edge,   ///< detail: the `edge_kind`; id: whom it leads to; first: whom it comes from; second:
            ///< as of `woken`, if it woke that task; otherwise 0
    woken,  ///< by nobody that an edge told of; first: the task that ran, or 0; second: the
            ///< `wait_kind` that ended, and 1 more; 0: it was woken in its own step
    name,   ///< three words of a task's name, for the event before
};

/// One event in the ring: 32 bytes, of which what a kind does not need is 0.
struct flight_event {
    std::uint64_t stamp = 0;   ///< of `step_clock`; a step: its beginning
    std::uint64_t header = 0;  ///< id, detail and kind
    std::uint64_t first = 0;
    std::uint64_t second = 0;

    [[nodiscard]] flight_kind kind() const noexcept {
        return static_cast<flight_kind>(header & 0xffU);
    }
    [[nodiscard]] std::uint8_t detail() const noexcept {
        return static_cast<std::uint8_t>(header >> 8U);
    }
    [[nodiscard]] std::uint64_t id() const noexcept { return header >> 16U; }

    [[nodiscard]] static std::uint64_t header_of(flight_kind kind, std::uint8_t detail,
                                                 std::uint64_t id) noexcept {
        return id << 16U | std::uint64_t{detail} << 8U | static_cast<std::uint64_t>(kind);
    }
};

/// A step's places and duration share two words: 48 bits of each pointer, 32 of the duration.
[[nodiscard]] flight_event pack(const step_record& step) noexcept;
struct flight_step {
    step_kind kind;
    std::uint64_t ticks;  ///< exact below 2^32, then to 32 bits
    await_site from;
    await_site to;
};
[[nodiscard]] flight_step unpack(const flight_event& step) noexcept;

[[nodiscard]] std::uint64_t bits_of(const await_site& site) noexcept;
[[nodiscard]] await_site site_of(std::uint64_t bits) noexcept;

/// The last events, written by one thread and read by any, without locks. The writer says how far
/// it is going to write before it does, and how far it has written afterwards; a reader copies a
/// slot first and looks at the former then, so that it knows whether what it has may be torn.
class flight_ring {
public:
    explicit flight_ring(std::size_t capacity);
    /// A copy of what `live` has now, without what was overwritten during the copying.
    struct copy_tag {};
    flight_ring(copy_tag tag, const flight_ring& live);

    // The writer: `reserve`, as many `put`s, `publish`.
    void reserve(std::uint64_t count) noexcept {
        next_ = written_.load(std::memory_order_relaxed);
        reserved_.store(next_ + count, std::memory_order_relaxed);
    }
    void put(const flight_event& e) noexcept {
        // Released each, so that who reads a new word reads what `reserve` has stored as well.
        auto& words = slots_[next_++ & mask_];
        words[0].store(e.stamp, std::memory_order_release);
        words[1].store(e.header, std::memory_order_release);
        words[2].store(e.first, std::memory_order_release);
        words[3].store(e.second, std::memory_order_release);
    }
    /// Adds to the last event, which readers may have seen without.
    void amend_last(std::uint64_t second) noexcept {
        slots_[(next_ - 1) & mask_][3].store(second, std::memory_order_release);
    }
    void publish() noexcept { written_.store(next_, std::memory_order_release); }

    // Readers. Events are numbered from 0 since the beginning.
    [[nodiscard]] std::uint64_t begin() const noexcept;
    [[nodiscard]] std::uint64_t end() const noexcept {
        return written_.load(std::memory_order_acquire);
    }
    /// False if the event is overwritten already, or was while it was read.
    [[nodiscard]] bool read(std::uint64_t number, flight_event& e) const noexcept;
    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

private:
    using slot = std::array<std::atomic<std::uint64_t>, 4>;

    std::size_t mask_;
    std::unique_ptr<slot[]> slots_;
    std::uint64_t next_ = 0;   ///< the writer's
    std::uint64_t first_ = 0;  ///< of a copy: the oldest event in it
    std::atomic<std::uint64_t> reserved_{0};
    std::atomic<std::uint64_t> written_{0};
};

/// A task's name, from the `name` events behind the event `of`, which is the one of that number.
struct flight_name {
    std::array<char, 96> letters{};
    [[nodiscard]] std::string_view view() const noexcept;
};
[[nodiscard]] flight_name name_after(const flight_ring& ring, std::uint64_t number,
                                     const flight_event& of) noexcept;

}  // namespace coroscope::instrumentation
