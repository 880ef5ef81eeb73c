// SPDX-License-Identifier: Apache-2.0
#include "thread_state.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {
namespace {

/// A small file of the proc file system; empty if it cannot be read.
std::string read_small_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) { return {}; }
    std::string text(4096, '\0');
    const auto length = ::read(file, text.data(), text.size());
    ::close(file);
    text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return text;
}

std::string file_of(pid_t thread, const char* name) {
    return "/proc/self/task/" + std::to_string(thread) + "/" + name;
}

/// The text behind `key` up to the line's end; empty if there is no such line.
std::string_view value_of(std::string_view text, std::string_view key) {
    const auto found = text.find(key);
    if (found == std::string_view::npos) { return {}; }
    const auto begin = found + key.size();
    return text.substr(begin, text.find('\n', begin) - begin);
}

std::uint64_t decimal(std::string_view text) {
    return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

/// The part of `stat` behind the thread's name, which may hold anything; its first field is the
/// third of the file.
std::string_view fields_of_stat(std::string_view text) {
    const auto end_of_name = text.rfind(')');
    return end_of_name == std::string_view::npos ? std::string_view()
                                                 : text.substr(end_of_name + 1);
}

address_range find_own_stack() noexcept {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) { return {}; }
    void* lowest = nullptr;
    std::size_t size = 0;
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
    const auto low = reinterpret_cast<std::uintptr_t>(lowest);
    return {low, low + size};
}

std::chrono::nanoseconds run_delay_in(const std::string& schedstat) {
    unsigned long long ran = 0;
    unsigned long long waited = 0;
    if (std::sscanf(schedstat.c_str(), "%llu %llu", &ran, &waited) != 2) { return {}; }
    return std::chrono::nanoseconds(waited);
}

}  // namespace

address_range own_stack() noexcept {
    static thread_local const address_range found = find_own_stack();
    return found;
}

thread_identity thread_identity::of_this() noexcept {
    thread_identity made;
    made.id = ::gettid();
    made.stack = own_stack();
    pthread_getcpuclockid(pthread_self(), &made.cpu_clock);
    return made;
}

thread_place place_of(pid_t thread) {
    const auto text = read_small_file(file_of(thread, "syscall"));
    thread_place place;
    if (text.starts_with("running")) {
        place.where = thread_place::kind::running;
        return place;
    }
    unsigned long long stack_pointer = 0;
    unsigned long long instruction_pointer = 0;
    if (std::sscanf(text.c_str(), "-1 0x%llx 0x%llx", &stack_pointer, &instruction_pointer) == 2) {
        place.where = thread_place::kind::fault;
    } else {
        std::array<unsigned long long, 6> a{};
        const auto fields =
            std::sscanf(text.c_str(), "%ld 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx",
                        &place.number, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &stack_pointer,
                        &instruction_pointer);
        if (fields != 9) { return place; }
        place.where = thread_place::kind::system_call;
        for (std::size_t i = 0; i < a.size(); ++i) {
            place.arguments[i] = a[i];
        }
    }
    place.stack_pointer = stack_pointer;
    place.instruction_pointer = instruction_pointer;
    return place;
}

std::optional<thread_usage> usage_of(const thread_identity& thread) {
    timespec cpu{};
    if (thread.id == 0 || ::clock_gettime(thread.cpu_clock, &cpu) != 0) { return std::nullopt; }
    thread_usage usage;
    usage.cpu = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
    usage.run_delay = run_delay_in(read_small_file(file_of(thread.id, "schedstat")));
    const auto status = read_small_file(file_of(thread.id, "status"));
    usage.voluntary_switches = decimal(value_of(status, "\nvoluntary_ctxt_switches:"));
    usage.involuntary_switches = decimal(value_of(status, "nonvoluntary_ctxt_switches:"));
    const auto stat = read_small_file(file_of(thread.id, "stat"));
    unsigned long long minor = 0;
    unsigned long long major = 0;
    const std::string fields(fields_of_stat(stat));
    if (std::sscanf(fields.c_str(), " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu", &minor, &major)
        == 2) {
        usage.minor_faults = minor;
        usage.major_faults = major;
    }
    return usage;
}

std::chrono::nanoseconds own_runnable_time() {
    timespec cpu{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return run_delay_in(read_small_file("/proc/thread-self/schedstat"))
           + std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
}

signal_state state_of_signal(pid_t thread, int number) {
    const auto status = read_small_file(file_of(thread, "status"));
    const auto has = [&](std::string_view key) {
        const std::string mask(value_of(status, key));
        return (std::strtoull(mask.c_str(), nullptr, 16) >> static_cast<unsigned>(number - 1) & 1U)
               != 0;
    };
    return {has("\nSigBlk:"), has("\nSigPnd:")};
}

}  // namespace coroscope::instrumentation::detail
