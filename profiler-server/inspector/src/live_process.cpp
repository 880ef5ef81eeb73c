// SPDX-License-Identifier: Apache-2.0
#include "live_process.hpp"

#include <coroscope/profiler_server/inspector.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>

#include <sys/uio.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace coroscope::profiler_server {
namespace {

// IOV_MAX of every Linux.
constexpr std::size_t most_pieces = 1024;

void* pointer_to(std::uintptr_t address) noexcept {
    return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

[[noreturn]] void fail(std::uint64_t pid, int error) {
    const auto process = "process " + std::to_string(pid);
    if (error == ENOENT || error == ESRCH) {
        throw inspection_error(inspection_failure::no_process,
                               "there is no " + process + "; ps -e lists those that there are");
    }
    throw inspection_error(
        inspection_failure::no_permission,
        "may not read the memory of " + process + " (" + std::generic_category().message(error)
            + "); become its user, or root. Where /proc/sys/kernel/yama/ptrace_scope is not 0, only "
              "root may, or what the program names with prctl(PR_SET_PTRACER, ...); in a "
              "container, start it with --cap-add SYS_PTRACE");
}

}  // namespace

std::vector<memory_region> read_maps(std::istream& maps) {
    std::vector<memory_region> regions;
    std::string line;
    while (std::getline(maps, line)) {
        std::istringstream fields(line);
        memory_region region;
        char dash = 0;
        std::string access;
        std::string offset;
        std::string device;
        std::uint64_t inode = 0;
        fields >> std::hex >> region.begin >> dash >> region.end >> access >> offset >> device
            >> std::dec >> inode;
        if (!fields || dash != '-' || region.begin >= region.end || !access.starts_with('r')) {
            continue;
        }
        region.writable = access.substr(1, 1) == "w";
        // What is shared is somebody's data, however large.
        region.file_backed = inode != 0 && access.ends_with('p');
        regions.push_back(region);
    }
    return regions;
}

live_process::live_process(std::uint64_t pid) : pid_(static_cast<::pid_t>(pid)) {
    if (pid == 0 || pid > std::uint64_t{std::numeric_limits<std::int32_t>::max()}) {
        fail(pid, ESRCH);
    }
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    if (!maps) { fail(pid, errno); }
    regions_ = read_maps(maps);
    if (regions_.empty()) {
        throw inspection_error(inspection_failure::no_process,
                               "process " + std::to_string(pid)
                                   + " has no memory: it has ended and its parent has not noticed "
                                     "yet, or it belongs to the kernel");
    }
    check_permission();
}

void live_process::check_permission() const {
    std::byte first{};
    iovec here{&first, 1};
    iovec there{pointer_to(regions_.front().begin), 1};
    if (::process_vm_readv(pid_, &here, 1, &there, 1, 0) < 0 && errno != EFAULT) {
        fail(static_cast<std::uint64_t>(pid_), errno);
    }
}

std::size_t live_process::read(std::uint64_t address, std::span<std::byte> to) const {
    iovec here{to.data(), to.size()};
    iovec there{pointer_to(address), to.size()};
    const auto got = ::process_vm_readv(pid_, &here, 1, &there, 1, 0);
    return got < 0 ? 0 : static_cast<std::size_t>(got);
}

void live_process::read_all(std::span<memory_request> requests) const {
    std::array<iovec, most_pieces> here{};
    std::array<iovec, most_pieces> there{};
    while (!requests.empty()) {
        const auto count = std::min(requests.size(), most_pieces);
        for (std::size_t i = 0; i < count; ++i) {
            here[i] = {requests[i].to.data(), requests[i].to.size()};
            there[i] = {pointer_to(requests[i].address), requests[i].to.size()};
        }
        const auto got = ::process_vm_readv(pid_, here.data(), count, there.data(), count, 0);
        auto left = got < 0 ? 0 : static_cast<std::size_t>(got);
        std::size_t done = 0;
        while (done < count && requests[done].to.size() <= left) {
            left -= requests[done].to.size();
            requests[done++].done = true;
        }
        // The kernel stops at the first that it cannot read.
        if (done < count) { requests[done++].done = false; }
        requests = requests.subspan(done);
    }
}

std::uint64_t live_process::now(bool ticks_are_tsc) const {
#if defined(__x86_64__)
    if (ticks_are_tsc) { return __rdtsc(); }
#else
    static_cast<void>(ticks_are_tsc);
#endif
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace coroscope::profiler_server
