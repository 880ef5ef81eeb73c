// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace coroscope::profiler_server::protocol {

/// How large and how deep a request may be.
struct frame_limits {
    std::size_t max_bytes = std::size_t{1} << 20U;
    std::size_t max_depth = 32;  ///< of nested objects and arrays
};

enum class frame_status {
    incomplete,  ///< all bytes are consumed and more are needed
    complete,    ///< `frame` is a whole object, by its brackets and quotes
    malformed,   ///< cannot become an object; what follows is skipped up to the next newline
    too_large,   ///< over the limit; nothing sensible can follow
};

struct frame_step {
    frame_status status = frame_status::incomplete;
    std::size_t consumed = 0;  ///< of the bytes given; the rest belongs to the next call
    std::string frame{};       ///< where complete
    std::string problem{};     ///< where malformed: what is wrong
};

/// Cuts a stream of bytes into JSON objects, and knows that one is complete at its last brace, with
/// no newline, length or end of file to tell.
///
/// It follows brackets, strings and escapes and checks nothing else; a frame that is complete may
/// still be no JSON. Whitespace between objects is skipped. Work is constant for each byte, however
/// they are cut into pieces, and memory is bounded by the limit.
///
/// **Thread safety**: none; belongs to one connection.
class framer {
public:
    explicit framer(frame_limits limits = {});

    /// Consumes bytes up to the end of the first object, or up to what makes an object impossible.
    /// After `too_large` it only answers `too_large`.
    [[nodiscard]] frame_step feed(std::string_view bytes);

    /// Ignores what follows, up to and including the next newline.
    void skip_line();

    /// True between an object's first brace and its last.
    [[nodiscard]] bool inside() const noexcept { return state_ == state::inside; }

private:
    enum class state {
        between,   // waiting for an object's first brace
        inside,    // depth_ is at least 1
        skipping,  // waiting for a newline
        broken,    // too_large was reported
    };

    [[nodiscard]] frame_step feed_between(std::string_view bytes);
    [[nodiscard]] frame_step feed_inside(std::string_view bytes);
    [[nodiscard]] frame_step malformed(std::size_t consumed, std::string problem);
    [[nodiscard]] const char* step(char byte);

    frame_limits limits_;
    state state_ = state::between;
    std::size_t depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    std::string buffer_;
};

}  // namespace coroscope::profiler_server::protocol
