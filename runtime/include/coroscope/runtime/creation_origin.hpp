// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace coroscope {

namespace detail {

/// Several sites, kept once for all tasks that were created there. Never freed.
struct origin_entry {
    std::uint64_t hash;
    std::uint64_t count;  ///< sites that follow, in memory
    [[nodiscard]] const await_site* sites() const noexcept {
        return reinterpret_cast<const await_site*>(this + 1);
    }
};

}  // namespace detail

/// Where a task was created: the `create_task` call, then the co_awaits through which its creator
/// had come there, innermost first. Eight bytes in the task's record.
///
/// The call alone needs no memory. More of them (`loop::set_origin_depth`) are kept once for each
/// place, for ever, for at most `most_places` places in a process; from there on only the call is
/// kept, and `origins_cut` counts how often.
/// **Thread safety**: a value; what it refers to never changes.
class creation_origin {
public:
    static constexpr std::size_t most_places = 49152;
    static constexpr std::size_t most_sites = 64;  ///< of one place; outer ones are left out

    creation_origin() = default;
    explicit creation_origin(await_site call) noexcept
        : address_(std::bit_cast<std::uint64_t>(call)) {}
    /// Finds the place that consists of these sites, or makes it. The first is the call.
    [[nodiscard]] static creation_origin of(std::span<const await_site> sites) noexcept;

    /// The `create_task` call.
    [[nodiscard]] await_site call() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] std::vector<await_site> sites() const;

    friend bool operator==(const creation_origin&, const creation_origin&) = default;

private:
    static constexpr std::uint64_t entry_bit = 1;
    [[nodiscard]] const detail::origin_entry* entry() const noexcept;

    /// Of the call's `source_location`, as its only member; with the lowest bit, of an
    /// `origin_entry`.
    std::uint64_t address_ = 0;
};

/// How many tasks were given the call alone, since there was no room for another place.
[[nodiscard]] std::uint64_t origins_cut() noexcept;

}  // namespace coroscope
