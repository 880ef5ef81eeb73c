// SPDX-License-Identifier: Apache-2.0
#include "system_calls.hpp"

#include <algorithm>
#include <array>

#include <sys/syscall.h>
#include <unistd.h>
#include <climits>

namespace coroscope::instrumentation::detail {
namespace {

struct known_call {
    long number;
    const char* name;
    bool has_descriptor;  ///< as its first argument
};

// Those that may block, and that are the same on every architecture.
constexpr std::array known_calls {
    known_call{SYS_read, "read", true}, known_call{SYS_write, "write", true},
        known_call{SYS_readv, "readv", true}, known_call{SYS_writev, "writev", true},
        known_call{SYS_pread64, "pread", true}, known_call{SYS_pwrite64, "pwrite", true},
        known_call{SYS_preadv, "preadv", true}, known_call{SYS_pwritev, "pwritev", true},
        known_call{SYS_sendfile, "sendfile", true}, known_call{SYS_splice, "splice", true},
        known_call{SYS_fsync, "fsync", true}, known_call{SYS_fdatasync, "fdatasync", true},
        known_call{SYS_sync_file_range, "sync_file_range", true},
        known_call{SYS_syncfs, "syncfs", true}, known_call{SYS_sync, "sync", false},
        known_call{SYS_msync, "msync", false}, known_call{SYS_ftruncate, "ftruncate", true},
        known_call{SYS_fallocate, "fallocate", true}, known_call{SYS_flock, "flock", true},
        known_call{SYS_fcntl, "fcntl", true}, known_call{SYS_ioctl, "ioctl", true},
        known_call{SYS_close, "close", true}, known_call{SYS_openat, "openat", false},
        known_call{SYS_unlinkat, "unlinkat", false}, known_call{SYS_getdents64, "getdents", true},
        known_call{SYS_connect, "connect", true}, known_call{SYS_accept, "accept", true},
        known_call{SYS_accept4, "accept4", true}, known_call{SYS_recvfrom, "recvfrom", true},
        known_call{SYS_recvmsg, "recvmsg", true}, known_call{SYS_recvmmsg, "recvmmsg", true},
        known_call{SYS_sendto, "sendto", true}, known_call{SYS_sendmsg, "sendmsg", true},
        known_call{SYS_ppoll, "ppoll", false}, known_call{SYS_pselect6, "pselect", false},
        known_call{SYS_epoll_pwait, "epoll_pwait", true}, known_call{SYS_futex, "futex", false},
        known_call{SYS_nanosleep, "nanosleep", false},
        known_call{SYS_clock_nanosleep, "clock_nanosleep", false},
        known_call{SYS_rt_sigtimedwait, "sigtimedwait", false},
        known_call{SYS_rt_sigsuspend, "sigsuspend", false}, known_call{SYS_wait4, "wait4", false},
        known_call{SYS_waitid, "waitid", false}, known_call{SYS_madvise, "madvise", false},
        known_call{SYS_mmap, "mmap", false}, known_call{SYS_munmap, "munmap", false},
        known_call{SYS_io_getevents, "io_getevents", false},
#if defined(__x86_64__)  // newer architectures have but the forms above
        known_call{SYS_poll, "poll", false}, known_call{SYS_select, "select", false},
        known_call{SYS_epoll_wait, "epoll_wait", true}, known_call{SYS_open, "open", false},
        known_call{SYS_pause, "pause", false}, known_call{SYS_unlink, "unlink", false},
        known_call{SYS_rename, "rename", false},
#endif
};

const known_call* find_call(long number) {
    const auto* const found =
        std::find_if(known_calls.begin(), known_calls.end(),
                     [number](const known_call& call) { return call.number == number; });
    return found == known_calls.end() ? nullptr : found;
}

}  // namespace

std::string name_of_system_call(long number) {
    const auto* const call = find_call(number);
    return call != nullptr ? call->name : "system call " + std::to_string(number);
}

std::string target_of_system_call(const thread_place& place) {
    const auto* const call = find_call(place.number);
    if (call == nullptr || !call->has_descriptor) { return {}; }
    const auto descriptor = "descriptor " + std::to_string(static_cast<int>(place.arguments[0]));
    const auto link = "/proc/self/fd/" + std::to_string(static_cast<int>(place.arguments[0]));
    std::array<char, PATH_MAX> target{};
    const auto length = ::readlink(link.c_str(), target.data(), target.size());
    if (length <= 0) { return descriptor; }
    return descriptor + ", " + std::string(target.data(), static_cast<std::size_t>(length));
}

}  // namespace coroscope::instrumentation::detail
