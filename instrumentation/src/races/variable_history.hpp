// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_records.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace coroscope::instrumentation::detail {

/// The latest accesses to one variable, or to the members of a group, in their order. Of those that
/// are alike (same unit, same lines) the last one is kept.
class variable_history {
public:
    using pointer = std::shared_ptr<access_record>;

    explicit variable_history(std::size_t capacity) : capacity_(capacity) {}

    /// Takes it in, and links it to the access of its unit that came before.
    void add(const pointer& made, record_pointer previous);
    [[nodiscard]] const std::vector<pointer>& records() const noexcept { return records_; }

    /// Of that kind, in that segment.
    [[nodiscard]] access_record* find(std::uint64_t segment, access_kind kind) const noexcept;
    /// The last one of this unit before that segment, of any kind, or of this one.
    [[nodiscard]] record_pointer last_of(const schedule_policy::agent& unit,
                                         std::uint64_t before_segment,
                                         std::optional<access_kind> kind = {}) const noexcept;
    /// The read of that segment.
    [[nodiscard]] record_pointer read_in(std::uint64_t segment) const noexcept;

private:
    /// Null: there is no such record.
    template <class Is>
    [[nodiscard]] const pointer* newest(const Is& is) const noexcept;
    void drop(std::size_t place) noexcept;

    std::size_t capacity_;
    std::vector<pointer> records_;
};

}  // namespace coroscope::instrumentation::detail
