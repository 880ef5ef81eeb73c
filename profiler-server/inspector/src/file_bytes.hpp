// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace coroscope::profiler_server {

/// A file to read from at any place; or bytes in memory that stand for one.
class file_bytes {
public:
    /// Nothing where it cannot be opened for reading, or is no regular file; `errno` says why.
    [[nodiscard]] static std::optional<file_bytes> open(const std::filesystem::path& path);
    explicit file_bytes(std::vector<std::byte> contents);

    file_bytes(file_bytes&& other) noexcept;
    file_bytes& operator=(file_bytes&&) = delete;
    ~file_bytes();

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

    /// Returns how many bytes there were.
    [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> to) const;

private:
    file_bytes(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}

    int descriptor_ = -1;
    std::uint64_t size_ = 0;
    std::vector<std::byte> contents_;
};

}  // namespace coroscope::profiler_server
