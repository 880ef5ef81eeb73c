// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coroscope::instrumentation::detail {

/// Whose code an instruction is, by the file that it was written in; of code that was expanded in
/// place, by where it was expanded to.
enum class code_origin : std::uint8_t {
    user,       ///< also: nothing is known
    library,    ///< of the compiler or the system: what it does, it does for its caller
    internals,  ///< of coroscope, Asio or a test framework: not what a user looks for races in
};

/// The addresses that were asked for last, of those that share a place: some thousand, so that a
/// look at one is in the processor's cache.
class recent_origins {
public:
    [[nodiscard, gnu::always_inline]] bool knows(std::uintptr_t address,
                                                 code_origin origin) const noexcept {
        return entries_[place_of(address)].load(std::memory_order_relaxed)
               == entry_of(address, origin);
    }
    void keep(std::uintptr_t address, code_origin origin) noexcept {
        entries_[place_of(address)].store(entry_of(address, origin), std::memory_order_relaxed);
    }

private:
    static constexpr std::size_t size = 4096;
    [[nodiscard]] static std::size_t place_of(std::uintptr_t address) noexcept {
        return (address ^ address >> 12U) % size;
    }
    [[nodiscard]] static std::uint64_t entry_of(std::uintptr_t address,
                                                code_origin origin) noexcept {
        return address << 2U | static_cast<std::uint64_t>(origin);
    }

    std::array<std::atomic<std::uint64_t>, size> entries_{};
};
extern recent_origins recently_asked;

/// For an address inside of an instruction. **Thread safety**: any thread. **Cost**: some
/// nanoseconds, but a hundred microseconds for each new address and the time to read the debug
/// information of each new source file.
[[nodiscard]] code_origin origin_of_code(std::uintptr_t address) noexcept;

/// Whether the instruction puts a container back to what it was when it was made, without a look at
/// what is there: it has made sure of that by other means, as a `std::map` whose last element is
/// erased, which writes to its end without having read that. **Cost**: the same.
[[nodiscard]] bool is_fresh_start(std::uintptr_t address) noexcept;

[[nodiscard]] code_origin origin_of_file(std::string_view path) noexcept;

}  // namespace coroscope::instrumentation::detail
