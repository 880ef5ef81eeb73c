// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace coroscope::instrumentation::detail {

/// What accesses have in common that one unit makes, between two events that order it or change its
/// locks: a part, kept once, as a record without code, while anybody refers to its number.
/// **Thread safety**: none.
template <class Record>
class kept_parts {
public:
    static constexpr std::uint32_t none = 0;

    /// In use until it is released.
    [[nodiscard]] std::uint32_t add(std::shared_ptr<const Record> common) {
        if (free_.empty()) {
            free_.reserve(parts_.size() + 1);  // so that releasing needs no memory
            parts_.emplace_back();
            free_.push_back(static_cast<std::uint32_t>(parts_.size() - 1));
        }
        const auto number = free_.back();
        free_.pop_back();
        parts_[number] = {std::move(common), 1};
        return number;
    }
    void use(std::uint32_t part) noexcept { ++parts_[part].uses; }
    void release(std::uint32_t part) noexcept {
        if (part == none || --parts_[part].uses > 0) { return; }
        parts_[part].record = nullptr;
        free_.push_back(part);
    }
    [[nodiscard]] const Record& operator[](std::uint32_t part) const noexcept {
        return *parts_[part].record;
    }
    [[nodiscard]] const std::shared_ptr<const Record>& shared(std::uint32_t part) const noexcept {
        return parts_[part].record;
    }

private:
    struct kept {
        std::shared_ptr<const Record> record;
        std::uint32_t uses = 0;
    };
    std::vector<kept> parts_ = std::vector<kept>(1);  ///< the first is none
    std::vector<std::uint32_t> free_;
};

}  // namespace coroscope::instrumentation::detail
