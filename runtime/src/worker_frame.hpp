// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What a process pool and its workers send each other: frames of a length (8 bytes, the highest
// first) and so many bytes. A request is two frames, function and argument; a reply is one, whose
// first byte says what it is.

namespace coroscope::detail {

inline constexpr std::size_t frame_head_size = 8;
inline constexpr char reply_is_result = 'r';
inline constexpr char reply_is_error = 'e';

[[nodiscard]] inline std::string make_frame(std::string_view content) {
    std::string frame;
    frame.reserve(frame_head_size + content.size());
    const std::uint64_t size = content.size();
    for (int shift = 56; shift >= 0; shift -= 8) {
        frame += static_cast<char>(static_cast<unsigned char>(size >> shift));
    }
    return frame.append(content);
}

[[nodiscard]] inline std::size_t size_in_head(std::string_view head) {
    std::uint64_t size = 0;
    for (const char each : head) {
        size = size << 8 | static_cast<unsigned char>(each);
    }
    return size;
}

}  // namespace coroscope::detail
