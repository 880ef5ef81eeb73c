// SPDX-License-Identifier: Apache-2.0
// Processes that crash with a flight recorder at work. Each is a child of the test's.
#include <coroscope/instrumentation/flight_recorder.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/trace_checks.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

struct temporary_folder {
    temporary_folder()
        : path(std::filesystem::temp_directory_path()
               / ("coroscope-crash-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path);
    }
    ~temporary_folder() { std::filesystem::remove_all(path); }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    std::filesystem::path path;
};

/// Runs `f` in a child that has no handlers of its own; gives its wait status.
template <class F>
int status_of_child(F f) {
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
            static_cast<void>(std::signal(signal, SIG_DFL));
        }
        f();
        std::_Exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

void fault() {
    auto* page = static_cast<volatile char*>(
        ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    *page = 1;
}

std::uint32_t crash_line = 0;

coro<> crash(void (*how)()) {
    co_await yield_now();
    crash_line = __LINE__ + 1;
    co_await yield_now();
    how();
}

/// Runs a loop with a task that crashes.
void run_and_crash(flight_recorder& recorder, void (*how)()) {
    virtual_loop v;
    v.loop.add_observer(recorder);
    v.loop.create_task(crash(how), "crasher");
    v.loop.run_forever();
}

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void check_trace(const std::filesystem::path& path) {
    const checked_trace trace(text_of(path));
    const auto slices = trace.events("X", "crasher");
    REQUIRE(slices.size() == 3);
    CHECK(slices[2].at("args").at("to") == "still running");
    const std::string from = slices[2].at("args").at("from");
    CHECK(from.find("flight_recorder_crash_test.cpp:") != std::string::npos);
    CHECK(slices[1].at("args").at("to") == from);
}

}  // namespace

TEST_CASE("a process that aborts leaves a trace that ends in the step that did it") {
    const temporary_folder folder;
    const auto file = folder.path / "trace.json";
    const auto status = status_of_child([&] {
        flight_recorder recorder;
        recorder.dump_on_crash(file);
        run_and_crash(recorder, std::abort);
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
    check_trace(file);
}

TEST_CASE("a process with a memory fault leaves a trace, and dies of the fault") {
    const temporary_folder folder;
    const auto file = folder.path / "trace.json";
    const auto status = status_of_child([&] {
        flight_recorder recorder;
        recorder.dump_on_crash(file);
        run_and_crash(recorder, fault);
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV);
    check_trace(file);
}

TEST_CASE("a handler that the program had is called after the trace was written") {
    const temporary_folder folder;
    const auto file = folder.path / "trace.json";
    const auto status = status_of_child([&] {
        static_cast<void>(std::signal(SIGABRT, [](int) { std::_Exit(42); }));
        flight_recorder recorder;
        recorder.dump_on_crash(file);
        run_and_crash(recorder, std::abort);
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 42);
    check_trace(file);
}

TEST_CASE("recorders that are gone are not written, others are") {
    const temporary_folder folder;
    const auto status = status_of_child([&] {
        flight_recorder first;
        first.dump_on_crash(folder.path / "first.json");
        {
            flight_recorder second;
            second.dump_on_crash(folder.path / "second.json");
        }
        run_and_crash(first, std::abort);
    });
    CHECK(WIFSIGNALED(status));
    check_trace(folder.path / "first.json");
    CHECK_FALSE(std::filesystem::exists(folder.path / "second.json"));
}

TEST_CASE("more crash dumps than there is room for are refused") {
    const auto status = status_of_child([] {
        std::vector<std::unique_ptr<flight_recorder>> recorders;
        int added = 0;
        try {
            for (; added < 100; ++added) {
                recorders.push_back(std::make_unique<flight_recorder>());
                recorders.back()->dump_on_crash("trace.json");
            }
        } catch (const std::logic_error&) { std::_Exit(added); }
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 16);
}
