// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/process_pool.hpp>

#include "worker_frame.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

// A worker's side of a process pool: blocking, one request after another.

namespace coroscope {
namespace {

/// All `n` bytes; nothing if the input ends before that. Grows with what really comes, since a
/// broken length must not take all memory.
[[nodiscard]] std::optional<std::string> read_exactly(int descriptor, std::size_t n) {
    constexpr std::size_t step = std::size_t{1024} * 1024;
    std::string bytes;
    while (bytes.size() < n) {
        const auto before = bytes.size();
        bytes.resize(before + std::min(step, n - before));
        const auto got = ::read(descriptor, bytes.data() + before, bytes.size() - before);
        if (got == 0 || (got < 0 && errno != EINTR)) { return std::nullopt; }
        bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    return bytes;
}

[[nodiscard]] std::optional<std::string> read_frame(int descriptor) {
    const auto head = read_exactly(descriptor, detail::frame_head_size);
    if (!head.has_value()) { return std::nullopt; }
    return read_exactly(descriptor, detail::size_in_head(*head));
}

[[nodiscard]] bool write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(descriptor, bytes.data(), bytes.size());
        if (n < 0 && errno != EINTR) { return false; }
        bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    return true;
}

[[nodiscard]] std::string reply_to(const worker_functions& functions, const std::string& name,
                                   std::string argument) {
    const auto found = functions.find(name);
    if (found == functions.end()) {
        return detail::reply_is_error + ("the worker has no function '" + name + "'");
    }
    try {
        return detail::reply_is_result + found->second(std::move(argument));
    } catch (const std::exception& e) {
        return detail::reply_is_error + std::string(e.what());
    } catch (...) { return detail::reply_is_error + std::string("an unknown exception"); }
}

}  // namespace

int process_worker_main(const worker_functions& functions) {
    const file_descriptor requests(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    const file_descriptor replies(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    const file_descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (requests.get() < 0 || replies.get() < 0 || nothing.get() < 0) { return 1; }
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    for (;;) {
        const auto name = read_frame(requests.get());
        if (!name.has_value()) { return 0; }
        auto argument = read_frame(requests.get());
        if (!argument.has_value()) { return 1; }
        const auto reply = reply_to(functions, *name, std::move(*argument));
        if (!write_all(replies.get(), detail::make_frame(reply))) { return 1; }
    }
}

}  // namespace coroscope
