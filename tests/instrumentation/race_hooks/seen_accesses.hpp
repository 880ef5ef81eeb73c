// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "symbolizer.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// An access as the compiler's hooks told it, and the task that made it.
struct seen_access {
    std::uintptr_t begin = 0;
    std::size_t bytes = 0;
    coroscope::detail::access_kind kind{};
    const void* code = nullptr;
    std::uint64_t task = 0;

    [[nodiscard]] bool is_write() const noexcept {
        return kind == coroscope::detail::access_kind::write;
    }
    [[nodiscard]] bool overlaps(std::uintptr_t other, std::size_t size) const noexcept {
        return begin < other + size && other < begin + bytes;
    }
};

/// The function of an access's code, and those that it was expanded in, innermost first.
[[nodiscard]] inline std::vector<coroscope::report::stack_frame> frames_of(
    const seen_access& access) {
    namespace detail = coroscope::instrumentation::detail;
    detail::unwound_stack stack;
    stack.addresses.push_back(reinterpret_cast<std::uintptr_t>(access.code));
    return detail::symbolizer::shared().name(stack).frames;
}

/// The line of a file that an access is for; 0: it is for none of its lines.
[[nodiscard]] inline unsigned line_in(std::string_view file, const seen_access& access) {
    for (const auto& frame : frames_of(access)) {
        if (frame.file.ends_with(file)) { return frame.line; }
    }
    return 0;
}

/// Also where compilers leave the line open.
[[nodiscard]] inline bool is_in(std::string_view file, const seen_access& access) {
    const auto frames = frames_of(access);
    return std::any_of(frames.begin(), frames.end(),
                       [file](const auto& frame) { return frame.file.ends_with(file); });
}

[[nodiscard]] inline std::string place_of(const seen_access& access) {
    const auto frames = frames_of(access);
    return frames.back().function + " " + frames.front().file + ":"
           + std::to_string(frames.front().line);
}

/// Lines of a file where tasks write what other tasks access as well, each once.
[[nodiscard]] inline std::vector<unsigned> lines_of_conflicts(
    const std::vector<seen_access>& accesses, std::string_view file) {
    std::vector<unsigned> lines;
    for (const auto& a : accesses) {
        const bool is_shared = std::any_of(accesses.begin(), accesses.end(), [&](const auto& b) {
            return a.task != b.task && a.overlaps(b.begin, b.bytes)
                   && (a.is_write() || b.is_write());
        });
        if (is_shared) { lines.push_back(line_in(file, a)); }
    }
    std::sort(lines.begin(), lines.end());
    lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
    return lines;
}

/// Keeps what a thread is told of, as long as it lives.
class seen_accesses final : public coroscope::detail::access_sink {
public:
    seen_accesses() : before_(std::exchange(coroscope::detail::access_listener, this)) {
        constexpr std::size_t enough = 10'000;  // no block that others free is taken for these
        all.reserve(enough);
        alive.reserve(enough);
    }
    ~seen_accesses() { coroscope::detail::access_listener = before_; }
    seen_accesses(const seen_accesses&) = delete;
    seen_accesses& operator=(const seen_accesses&) = delete;

    void on_access(const coroscope::detail::access& made) noexcept override {
        if (made.bytes == 0) { return; }
        const auto* loop = coroscope::detail::running_loop;
        const bool is_task = loop != nullptr && loop->current != nullptr;
        all.push_back({reinterpret_cast<std::uintptr_t>(made.object), made.bytes, made.kind,
                       made.code, is_task ? loop->current->id() : 0});
        alive.push_back(all.back());
    }
    void on_end_of_life(const void* begin, std::size_t bytes) noexcept override {
        ended_bytes = bytes;
        const auto first = reinterpret_cast<std::uintptr_t>(begin);
        std::erase_if(alive, [=](const seen_access& each) { return each.overlaps(first, bytes); });
    }

    [[nodiscard]] std::vector<seen_access> of(const void* object, std::size_t bytes = 1) const {
        std::vector<seen_access> found;
        for (const auto& each : all) {
            if (each.overlaps(reinterpret_cast<std::uintptr_t>(object), bytes)) {
                found.push_back(each);
            }
        }
        return found;
    }

    [[nodiscard]] std::vector<unsigned> lines_of_conflicts(std::string_view file) const {
        return ::lines_of_conflicts(alive, file);
    }

    std::vector<seen_access> all;
    std::size_t ended_bytes = 0;     ///< of the block that was freed last
    std::vector<seen_access> alive;  ///< without those to memory that was freed since

private:
    coroscope::detail::access_sink* before_;
};

/// Counts the bytes that are accessed.
class counting_sink final : public coroscope::detail::access_sink {
public:
    counting_sink() : before_(std::exchange(coroscope::detail::access_listener, this)) {}
    ~counting_sink() { coroscope::detail::access_listener = before_; }
    counting_sink(const counting_sink&) = delete;
    counting_sink& operator=(const counting_sink&) = delete;
    void on_access(const coroscope::detail::access& made) noexcept override { bytes += made.bytes; }

    std::size_t bytes = 0;

private:
    coroscope::detail::access_sink* before_;
};

/// Runs two tasks at once, to their end.
template <class F>
void run_two(F f) {
    coroscope::loop loop;
    auto first = loop.create_task(f());
    auto second = loop.create_task(f());
    loop.run_until_complete(first);
    loop.run_until_complete(second);
}
