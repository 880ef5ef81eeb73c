// SPDX-License-Identifier: Apache-2.0
// Programs that stall in each of the ways that there are.

#include "instrumentation/observed_stall.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using coroscope::instrumentation::stall;
using coroscope::instrumentation::stall_text;
using coroscope::instrumentation::takes_native_stacks;
using coroscope::report::step_verdict;

namespace {

#if defined(COROSCOPE_TEST_ADDRESS_SANITIZER) || defined(COROSCOPE_TEST_THREAD_SANITIZER)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif

/// Stacks are promised where the code in them is the program's and the C library's own: a sanitizer
/// puts functions in between that cannot all be unwound.
bool expects_stack() {
    return takes_native_stacks() && !is_sanitized;
}

bool is_blocked_in(const stall& seen, std::string_view system_call) {
    return seen.step.cause && seen.step.cause->verdict == step_verdict::blocked
           && seen.step.cause->system_call == system_call
           && (!expects_stack() || seen.step.stack.has_value());
}

void check_frame(const stall& seen, std::string_view function, std::uint32_t line) {
    INFO(stall_text(seen));
    if (!expects_stack()) { return; }
    const auto* const frame = find_frame(seen.step.stack, function);
    REQUIRE(frame != nullptr);
    CHECK(frame->line == line);
    CHECK(frame->file.ends_with("stall_programs_test.cpp"));
    CHECK_FALSE(seen.step.stack->truncated);
    CHECK(find_frame(seen.step.stack, "main") != nullptr);
}

struct pipe_ends {
    pipe_ends() {
        if (::pipe(both.data()) != 0) { std::abort(); }
    }
    ~pipe_ends() {
        ::close(both[0]);
        ::close(both[1]);
    }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    std::array<int, 2> both{};
};

std::uint32_t stalled_line = 0;

void compute(const std::atomic<bool>& done) {
    stalled_line = __LINE__ + 1;
    while (!done.load()) {}
}

void read_from_pipe(int descriptor) {
    char letter = 0;
    stalled_line = __LINE__ + 1;
    if (::read(descriptor, &letter, 1) != 1) { std::abort(); }
}

void sleep_often(const std::atomic<bool>& done) {
    while (!done.load()) {
        stalled_line = __LINE__ + 1;
        ::usleep(300'000);
    }
}

void lock_it(std::mutex& mutex) {
    stalled_line = __LINE__ + 1;
    mutex.lock();
    mutex.unlock();
}

/// A file of some size that is gone with this.
struct scratch_file {
    scratch_file() : descriptor(::mkstemp(path.data())) {
        if (descriptor < 0) { std::abort(); }
        ::unlink(path.c_str());
    }
    ~scratch_file() { ::close(descriptor); }
    scratch_file(const scratch_file&) = delete;
    scratch_file& operator=(const scratch_file&) = delete;

    void fill(std::size_t bytes) const {
        const std::vector<char> block(std::size_t{1} << 20U, 'x');
        for (std::size_t at = 0; at < bytes; at += block.size()) {
            if (::pwrite(descriptor, block.data(), block.size(), static_cast<off_t>(at)) < 0) {
                std::abort();
            }
        }
    }
    std::string path = (std::filesystem::temp_directory_path() / "stall-XXXXXX").string();
    int descriptor;
};

void write_through(const scratch_file& file, const std::atomic<bool>& done) {
    while (!done.load()) {
        file.fill(std::size_t{4} << 20U);
        stalled_line = __LINE__ + 1;
        ::fsync(file.descriptor);
    }
}

void touch_cold_pages(const scratch_file& file, std::size_t bytes, const std::atomic<bool>& done) {
    while (!done.load()) {
        ::posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED);
        auto* const memory =
            static_cast<char*>(::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor, 0));
        if (memory == MAP_FAILED) { std::abort(); }
        ::madvise(memory, bytes, MADV_RANDOM);
        volatile char sum = 0;
        for (std::size_t at = 0; at < bytes; at += 4096) {
            sum = memory[at];
        }
        static_cast<void>(sum);
        ::munmap(memory, bytes);
    }
}

/// In a process of its own: a step in which that is stopped. 0 if the step was not scheduled, as
/// the watchdog saw it.
int be_stopped() {
    std::atomic<bool> released{false};
    std::atomic<bool> found{false};
    coroscope::instrumentation::stall_watchdog_options options;
    options.handler = [&](const stall& seen) {
        if (seen.step.cause->verdict == step_verdict::not_scheduled) { found.store(true); }
        if (!found.load() && seen.times_threshold < 8) { return; }
        released.store(true);
        released.notify_all();
    };
    coroscope::instrumentation::stall_watchdog watchdog(options);
    coroscope::loop_options with;
    with.slow_callback_duration = 50ms;
    coroscope::loop l(with);
    watchdog.attach_to(l);
    l.call_soon([&] {
        ::raise(SIGSTOP);
        released.wait(false);
        l.stop();
    });
    l.run_forever();
    return found.load() ? 0 : 1;
}

/// Runs `be_stopped`, stops it for a second, and says whether it was found.
bool stopped_step_is_found() {
    const auto child = ::fork();
    if (child == 0) { ::_exit(be_stopped()); }
    int status = 0;
    if (::waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) { std::abort(); }
    ::usleep(1'000'000);
    ::kill(child, SIGCONT);
    if (::waitpid(child, &status, 0) != child) { std::abort(); }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a step of a process that was stopped and continued is not scheduled") {
    bool is_found = false;
    for (int attempt = 0; attempt < 5 && !is_found; ++attempt) {
        is_found = stopped_step_is_found();
    }
    CHECK(is_found);
}

TEST_CASE("a step that computes is found at its line, and never called blocked") {
    observed_stall stalled;
    stalled.step = [&] {
        compute(stalled.released);
    };
    stalled.wanted = [](const stall& seen) {
        return seen.step.cause.has_value() && (!expects_stack() || seen.step.stack.has_value());
    };
    const auto seen = stalled.observe();
    REQUIRE(seen.has_value());
    INFO(stall_text(*seen));
    const auto& cause = *seen->step.cause;
    // A machine that is busy with others lets it wait for a processor.
    CHECK((cause.verdict == step_verdict::computing || cause.not_scheduled >= cause.cpu));
    CHECK(cause.verdict != step_verdict::blocked);
    if (expects_stack()) { CHECK(find_frame(seen->step.stack, "compute") != nullptr); }
}

TEST_CASE("a step that sleeps is blocked in the kernel, in that call") {
    observed_stall stalled;
    stalled.step = [&] {
        sleep_often(stalled.released);
    };
    stalled.wanted = [](const stall& seen) {
        return is_blocked_in(seen, "clock_nanosleep");
    };
    const auto seen = stalled.observe();
    REQUIRE(seen.has_value());
    check_frame(*seen, "sleep_often", stalled_line);
}

TEST_CASE("a step that reads from an empty pipe is blocked in the kernel, at that descriptor") {
    const pipe_ends ends;
    observed_stall stalled;
    stalled.step = [&] {
        read_from_pipe(ends.both[0]);
    };
    stalled.release = [&] {
        static_cast<void>(!::write(ends.both[1], "x", 1));
    };
    stalled.wanted = [](const stall& seen) {
        return is_blocked_in(seen, "read");
    };
    const auto seen = stalled.observe();
    REQUIRE(seen.has_value());
    check_frame(*seen, "read_from_pipe", stalled_line);
    CHECK(seen->step.cause->target.starts_with("descriptor " + std::to_string(ends.both[0])
                                               + ", pipe:["));
    CHECK(seen->step.cause->cpu < seen->step.cause->blocked);
}

TEST_CASE("a step that waits for a mutex is blocked in the kernel, in futex") {
    std::mutex contended;
    std::promise<void> unlock;
    std::thread owner;
    observed_stall stalled;
    stalled.prepare = [&] {
        if (owner.joinable()) { owner.join(); }
        unlock = std::promise<void>();
        std::promise<void> locked;
        owner = std::thread([&contended, &locked, go_on = unlock.get_future()]() mutable {
            const std::lock_guard lock(contended);
            locked.set_value();
            go_on.wait();
        });
        locked.get_future().wait();
    };
    stalled.step = [&] {
        lock_it(contended);
    };
    stalled.release = [&] {
        unlock.set_value();
    };
    stalled.wanted = [](const stall& seen) {
        return is_blocked_in(seen, "futex");
    };
    const auto seen = stalled.observe();
    owner.join();
    REQUIRE(seen.has_value());
    check_frame(*seen, "lock_it", stalled_line);
}

TEST_CASE("a step that writes a file through is blocked in the kernel, in fsync") {
    const scratch_file file;
    observed_stall stalled;
    stalled.step = [&] {
        write_through(file, stalled.released);
    };
    stalled.wanted = [](const stall& seen) {
        return seen.step.cause && seen.step.cause->system_call == "fsync"
               && (!expects_stack() || seen.step.stack.has_value());
    };
    const auto seen = stalled.observe();
    if (!seen) {
        WARN("skipped: nothing waits for the device of " + file.path);
        return;
    }
    INFO(stall_text(*seen));
    const auto& cause = *seen->step.cause;
    // To fill the cache takes the processor, and a busy machine lets it wait for that.
    CHECK((cause.verdict == step_verdict::blocked
           || std::max(cause.cpu, cause.not_scheduled) >= cause.blocked));
    if (seen->step.stack) { check_frame(*seen, "write_through", stalled_line); }
}

TEST_CASE("a step that touches cold memory shows its page faults") {
    constexpr std::size_t bytes = std::size_t{32} << 20U;
    const scratch_file file;
    file.fill(bytes);
    ::fsync(file.descriptor);
    observed_stall stalled;
    stalled.step = [&] {
        touch_cold_pages(file, bytes, stalled.released);
    };
    stalled.wanted = [](const stall& seen) {
        return seen.step.cause && seen.step.cause->minor_faults + seen.step.cause->major_faults > 0;
    };
    const auto seen = stalled.observe();
    REQUIRE(seen.has_value());
    INFO(stall_text(*seen));
    const auto& cause = *seen->step.cause;
    CHECK(cause.verdict != step_verdict::blocked);
    if (expects_stack() && seen->step.stack) {
        CHECK(find_frame(seen->step.stack, "touch_cold_pages") != nullptr);
    }
}

TEST_CASE("a step whose neighbours have the processor is not scheduled") {
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    }
    std::atomic<bool> over{false};
    std::vector<std::thread> neighbours;
    observed_stall stalled;
    stalled.threshold = 100ms;
    // Threads take over where they may run from the one that makes them: the watchdog's does not.
    stalled.step = [&] {
        ::sched_setaffinity(0, sizeof one, &one);
        for (int i = 0; i < 5; ++i) {
            neighbours.emplace_back([&over] {
                while (!over.load()) {}
            });
        }
        compute(stalled.released);
        over.store(true);
        for (auto& neighbour : neighbours) {
            neighbour.join();
        }
        neighbours.clear();
        over.store(false);
        ::sched_setaffinity(0, sizeof before, &before);
    };
    stalled.wanted = [](const stall& seen) {
        return seen.step.cause && seen.step.cause->verdict == step_verdict::not_scheduled;
    };
    const auto seen = stalled.observe();
    REQUIRE(seen.has_value());
    INFO(stall_text(*seen));
    CHECK(seen->step.cause->not_scheduled > seen->step.cause->cpu);
}
