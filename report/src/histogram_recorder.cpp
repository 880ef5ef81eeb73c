// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/histogram_recorder.hpp>

namespace coroscope::report {

histogram histogram_recorder::read() const {
    histogram copy;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        const auto* row = rows_[i].load(std::memory_order_acquire);
        if (row == nullptr) { continue; }
        copy.buckets_.resize((i + 1) * histogram::row_length);
        for (std::size_t n = 0; n < histogram::row_length; ++n) {
            const auto times = (*row)[n].load(std::memory_order_relaxed);
            copy.buckets_[i * histogram::row_length + n] = times;
            copy.count_ += times;
        }
    }
    while (!copy.buckets_.empty() && copy.buckets_.back() == 0) {
        copy.buckets_.pop_back();
    }
    copy.sum_ = std::chrono::nanoseconds(sum_.load(std::memory_order_relaxed));
    copy.max_ = std::chrono::nanoseconds(max_.load(std::memory_order_relaxed));
    return copy;
}

}  // namespace coroscope::report
