// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace coroscope::benchmarks {

/// What the least that a race detector can do costs: remembers which task accessed what last, and
/// where, as long as it lives.
class last_accesses final : public detail::access_sink {
public:
    last_accesses();
    last_accesses(const last_accesses&) = delete;
    last_accesses& operator=(const last_accesses&) = delete;
    ~last_accesses();

    void on_access(const detail::access& made) noexcept override;
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override;

private:
    static constexpr std::size_t word_bytes = 8;
    static constexpr std::size_t page_words = 512;
    static constexpr std::size_t page_bytes = word_bytes * page_words;
    struct last_access {
        std::array<const void*, 2> code{};
        std::uint64_t task = 0;
    };
    using page = std::array<last_access, page_words>;

    [[nodiscard]] page& page_of(std::uintptr_t address);

    std::unordered_map<std::uintptr_t, std::unique_ptr<page>> pages_;
    std::uintptr_t latest_number_ = 0;
    page* latest_ = nullptr;
};

}  // namespace coroscope::benchmarks
