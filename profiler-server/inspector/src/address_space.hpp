// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace coroscope::profiler_server {

/// A piece of a program's memory with one kind of contents.
struct memory_region {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool writable = false;
    bool file_backed = false;  ///< of a file, privately: a program's or library's, among others
};

/// One of many reads that are done together.
struct memory_request {
    std::uint64_t address = 0;
    std::span<std::byte> to;
    bool done = false;  ///< all of it was read
};

/// The memory of a program that runs, or ran, elsewhere. Any address may be asked for.
class address_space {
public:
    address_space() = default;
    address_space(const address_space&) = delete;
    address_space& operator=(const address_space&) = delete;
    virtual ~address_space() = default;

    /// In order of address.
    [[nodiscard]] virtual std::vector<memory_region> regions() const = 0;

    /// Copies from `address` on; returns how many bytes there were before the first that cannot be
    /// read.
    [[nodiscard]] virtual std::size_t read(std::uint64_t address,
                                           std::span<std::byte> to) const = 0;

    virtual void read_all(std::span<memory_request> requests) const {
        for (auto& request : requests) {
            request.done = read(request.address, request.to) == request.to.size();
        }
    }

    /// The stamp of this moment, as the program's clock of ticks has it; 0: its time has stopped.
    [[nodiscard]] virtual std::uint64_t now(bool ticks_are_tsc) const = 0;

    template <class T>
    [[nodiscard]] std::optional<T> value_at(std::uint64_t address) const {
        static_assert(std::is_trivially_copyable_v<T>);
        T value{};
        const auto bytes = std::as_writable_bytes(std::span(&value, 1));
        if (read(address, bytes) != bytes.size()) { return std::nullopt; }
        return value;
    }

    /// Up to the terminating zero, at most `longest` bytes; empty where it cannot be read.
    [[nodiscard]] std::string text_at(std::uint64_t address, std::size_t longest) const;
};

}  // namespace coroscope::profiler_server
