// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram.hpp>

#include <array>
#include <atomic>
#include <new>

namespace coroscope::report {

/// A histogram that one thread fills while others read it.
///
/// **Thread safety**: `add` from one thread at a time, `read` from any at any time, without a lock.
/// A copy that is read during an `add` may have it in one part and not yet in another; the next one
/// has it. **Cost**: two or three nanoseconds an entry; 256 bytes for each power of two that
/// occurs. Where there is no memory for a new one, an entry is dropped.
class histogram_recorder {
public:
    histogram_recorder() = default;
    histogram_recorder(const histogram_recorder&) = delete;
    histogram_recorder& operator=(const histogram_recorder&) = delete;
    ~histogram_recorder() {
        for (const auto& row : rows_) {
            delete row.load(std::memory_order_relaxed);
        }
    }

    void add(std::chrono::nanoseconds d) noexcept {
        const auto bucket = histogram::bucket_of(d);
        auto* row = rows_[bucket / histogram::row_length].load(std::memory_order_relaxed);
        if (row == nullptr) [[unlikely]] {
            row = new (std::nothrow) counters{};
            if (row == nullptr) { return; }
            rows_[bucket / histogram::row_length].store(row, std::memory_order_release);
        }
        grow((*row)[bucket % histogram::row_length], std::uint64_t{1});
        if (d.count() <= 0) { return; }
        grow(sum_, d.count());
        if (d.count() > max_.load(std::memory_order_relaxed)) {
            max_.store(d.count(), std::memory_order_relaxed);
        }
    }

    [[nodiscard]] histogram read() const;

private:
    using counters = std::array<std::atomic<std::uint64_t>, histogram::row_length>;

    /// With one writer this needs no atomic addition.
    template <class T>
    static void grow(std::atomic<T>& counter, T amount) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }

    std::array<std::atomic<counters*>, histogram::bucket_count / histogram::row_length> rows_{};
    std::atomic<std::int64_t> sum_{0};
    std::atomic<std::int64_t> max_{0};
};

}  // namespace coroscope::report
