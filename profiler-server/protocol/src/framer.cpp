// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/framer.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::profiler_server::protocol {

namespace {

bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

}  // namespace

framer::framer(frame_limits limits) : limits_(limits) {}

frame_step framer::feed(std::string_view bytes) {
    std::size_t skipped = 0;
    if (state_ == state::skipping) {
        const auto newline = bytes.find('\n');
        if (newline == std::string_view::npos) { return {.consumed = bytes.size()}; }
        skipped = newline + 1;
        state_ = state::between;
    }
    auto step = feed_between(bytes.substr(skipped));
    step.consumed += skipped;
    return step;
}

frame_step framer::feed_between(std::string_view bytes) {
    std::size_t skipped = 0;
    if (state_ == state::between) {
        const auto begin = std::find_if_not(bytes.begin(), bytes.end(), is_space);
        skipped = static_cast<std::size_t>(begin - bytes.begin());
        if (begin == bytes.end()) { return {.consumed = skipped}; }
        if (*begin != '{') { return malformed(skipped, "a request begins with {"); }
        state_ = state::inside;
    }
    auto step = feed_inside(bytes.substr(skipped));
    step.consumed += skipped;
    return step;
}

frame_step framer::feed_inside(std::string_view bytes) {
    if (state_ == state::broken) { return {.status = frame_status::too_large}; }
    const auto room = limits_.max_bytes - buffer_.size();
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        if (at == room) {
            state_ = state::broken;
            buffer_ = {};
            return {.status = frame_status::too_large, .consumed = at};
        }
        if (const char* problem = step(bytes[at])) { return malformed(at, problem); }
        if (depth_ == 0) {
            buffer_.append(bytes.substr(0, at + 1));
            state_ = state::between;
            return {.status = frame_status::complete,
                    .consumed = at + 1,
                    .frame = std::exchange(buffer_, {})};
        }
    }
    buffer_.append(bytes);
    return {.consumed = bytes.size()};
}

// One byte of an object; returns what is wrong with it, or null.
const char* framer::step(char byte) {
    if (in_string_) {
        if (static_cast<unsigned char>(byte) < 0x20U) {
            return "a string holds a control character, or has no closing quote";
        }
        if (escaped_) {
            escaped_ = false;
        } else if (byte == '\\') {
            escaped_ = true;
        } else if (byte == '"') {
            in_string_ = false;
        }
        return nullptr;
    }
    if (byte == '"') {
        in_string_ = true;
    } else if (byte == '{' || byte == '[') {
        if (++depth_ > limits_.max_depth) { return "nested too deeply"; }
    } else if (byte == '}' || byte == ']') {
        --depth_;
    }
    return nullptr;
}

frame_step framer::malformed(std::size_t consumed, std::string problem) {
    skip_line();
    return {.status = frame_status::malformed, .consumed = consumed, .problem = std::move(problem)};
}

void framer::skip_line() {
    state_ = state::skipping;
    depth_ = 0;
    in_string_ = false;
    escaped_ = false;
    buffer_ = {};
}

}  // namespace coroscope::profiler_server::protocol
