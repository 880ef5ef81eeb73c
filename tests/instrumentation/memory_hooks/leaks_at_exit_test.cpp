// SPDX-License-Identifier: Apache-2.0
// The report that a process writes after everything else: of copies of this one.
#include "hooked_memory.hpp"

#include <coroscope/instrumentation/leaks.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace hooked_memory;

namespace {

std::vector<block> freed_by_its_destructor;

/// What the copy of the process in which `leak` was called writes to standard error until its end.
std::string written_at_exit(void (*leak)(), const leak_options& options = {}) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const auto child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        ::close(STDOUT_FILENO);
        hook_memory();
        report_leaks_at_exit(options);
        leak();
        std::exit(0);
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (auto count = ::read(ends[0], part.data(), part.size()); count > 0;
         count = ::read(ends[0], part.data(), part.size())) {
        text.append(part.data(), static_cast<std::size_t>(count));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return text;
}

[[gnu::noinline]] void lose(std::size_t size) {
    use(make_block(size).release());
}

coro<> leaking(std::size_t size) {
    co_await yield_now();
    lose(size);
}

coro<> leaking_tasks() {
    auto one = get_running_loop().create_task(leaking(1'000), "one");
    auto other = get_running_loop().create_task(leaking(30'000), "other");
    co_await one;
    co_await other;
}

}  // namespace

TEST_CASE("what tasks left behind is reported at exit, by task and line", "[memory]") {
    const auto text = written_at_exit([] { run(leaking_tasks()); });
    INFO(text);
    const auto first = text.find("  30000 bytes in 1 block, task other\n");
    const auto second = text.find("  1000 bytes in 1 block, task one\n");
    REQUIRE(first != std::string::npos);
    REQUIRE(second != std::string::npos);
    CHECK(first < second);
    CHECK(text.find("counted: " + std::string(memory_profiler::hooked())) != std::string::npos);
#if COROSCOPE_TEST_NATIVE_STACKS
    const auto stack = text.substr(first, second - first);
    CHECK(stack.find("make_block") < stack.find("lose"));
    CHECK(stack.find("lose") < stack.find("leaking"));
    CHECK(stack.find("leaks_at_exit_test.cpp:") != std::string::npos);
    CHECK(stack.find("loop") == std::string::npos);
    // Once, with the line that called, and not again with that of its last co_await.
    CHECK(stack.rfind("leaking") == stack.find("leaking"));
#endif
}

TEST_CASE("what statics free, and what was there before, is in no report at exit", "[memory]") {
    const auto text = written_at_exit([] {
        freed_by_its_destructor.push_back(make_block(7'000));
        delete[] make_block(6'000).release();
    });
    INFO(text);
    CHECK(text.empty());
}

TEST_CASE("a copy of the process that is to report writes nothing", "[memory]") {
    const auto text = written_at_exit([] {
        const auto child = ::fork();
        if (child == 0) {
            lose(4'000);
            std::exit(0);
        }
        ::waitpid(child, nullptr, 0);
    });
    INFO(text);
    CHECK(text.empty());
}
