// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "request.hpp"

#include <cstdint>
#include <ctime>
#include <string_view>

namespace docserver {

/// Whether the client has this very version already: If-None-Match decides if it is there,
/// If-Modified-Since otherwise.
[[nodiscard]] bool is_not_modified(const request& r, std::string_view entity_tag,
                                   std::time_t modified);

/// A part of a file that was asked for.
struct byte_range {
    enum class kind {
        whole,         ///< no range, or one that this server ignores: several at once, other units
        part,          ///< `offset` and `length` are it
        unsatisfiable  ///< it begins behind the end
    };
    kind what = kind::whole;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

/// Reads the Range field for a file of `size` bytes. An If-Range that names another version makes
/// it the whole file.
[[nodiscard]] byte_range find_range(const request& r, std::uint64_t size,
                                    std::string_view entity_tag, std::time_t modified);

}  // namespace docserver
