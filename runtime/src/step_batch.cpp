// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/step_batch.hpp>

namespace coroscope::detail {
namespace {

/// Reads a field that the loop's thread may be writing. It is not constant: no batch is.
template <class T>
[[nodiscard]] T load(const T& field) noexcept {
    return std::atomic_ref<T>(const_cast<T&>(field)).load(std::memory_order_acquire);
}

[[nodiscard]] step_record copy_of(const step_record& step) noexcept {
    step_record copy;
    copy.id = load(step.id);
    copy.begin = load(step.begin);
    copy.end = load(step.end);
    copy.from = load(step.from);
    copy.to = load(step.to);
    copy.record = load(step.record);
    copy.kind = load(step.kind);
    return copy;
}

}  // namespace

std::size_t step_batch::copy_to(records& to) const noexcept {
    constexpr int attempts = 100;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        const auto generation = generation_.load(std::memory_order_acquire);
        if (generation % 2 != 0) { continue; }
        const auto count =
            static_cast<std::size_t>(next_.load(std::memory_order_acquire) - records_.data());
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = copy_of(records_[i]);
        }
        if (generation_.load(std::memory_order_acquire) == generation) { return count; }
    }
    return 0;
}

}  // namespace coroscope::detail
