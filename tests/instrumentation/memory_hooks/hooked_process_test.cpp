// SPDX-License-Identifier: Apache-2.0
// Forks and programs that are executed while memory is profiled.
#include "hooked_memory.hpp"

#include "support/catch.hpp"

#include <coroscope/instrumentation/cpu_profiler.hpp>
#include <coroscope/runtime/loop.hpp>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace coroscope::instrumentation;
using namespace hooked_memory;

namespace {

bool succeeds(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Threads that allocate and free until they are told to stop, and take snapshots meanwhile.
class busy_threads {
public:
    explicit busy_threads(const memory_profiler& memory) {
        for (int i = 0; i < 3; ++i) {
            threads_.emplace_back([this, &memory] {
                for (std::size_t round = 0; !stop_; ++round) {
                    const auto made = make_block(16 + round % 100);
                    if (round % 64 == 0) { use(memory.snapshot().places.data()); }
                    ++rounds_;
                }
            });
        }
        while (rounds_ < 100) {
            std::this_thread::yield();
        }
    }
    busy_threads(const busy_threads&) = delete;
    busy_threads& operator=(const busy_threads&) = delete;
    ~busy_threads() {
        stop_ = true;
        for (auto& each : threads_) {
            each.join();
        }
    }

private:
    std::atomic<bool> stop_{false};
    std::atomic<std::size_t> rounds_{0};
    std::vector<std::thread> threads_;
};

/// What a copied process checks: it counts on, and may begin anew.
bool counts_on(memory_profiler& memory) {
    const auto before = memory.snapshot().total();
    const auto made = make_block(1'000);
    auto grown = difference(memory.snapshot().total(), before);
    if (grown != memory_amounts{1'000, 1, 0, 0}) { return false; }
    memory.stop();
    memory.start();
    const auto other = make_block(500);
    return memory.snapshot().total() == memory_amounts{500, 1, 0, 0};
}

}  // namespace

TEST_CASE("a copy of a process whose threads allocate counts on by itself", "[memory]") {
    profiled p;
    const busy_threads others(p.memory);
    for (int i = 0; i < 50; ++i) {
        const auto child = ::fork();
        if (child == 0) { ::_exit(counts_on(p.memory) ? 0 : 1); }
        CHECK(succeeds(child));
    }
}

TEST_CASE("what others do at a fork may allocate, whoever was there first", "[memory]") {
    coroscope::loop l;
    cpu_profiler cpu;
    cpu.attach_to(l);  // from here on, copies of the process make its threads' samples anew
    cpu_profiler::sample_this_thread();
    profiled p;
    const auto child = ::fork();
    if (child == 0) { ::_exit(counts_on(p.memory) ? 0 : 1); }
    CHECK(succeeds(child));
}

TEST_CASE("a program that is executed by a profiled one is not profiled", "[memory]") {
    const profiled p;
    std::array<char, 4096> own{};
    REQUIRE(::readlink("/proc/self/exe", own.data(), own.size() - 1) > 0);
    std::string test = "what an executed program finds";
    std::string output = "--out=/dev/null";
    std::array<char*, 4> arguments{own.data(), test.data(), output.data(), nullptr};
    pid_t child = 0;
    REQUIRE(::posix_spawn(&child, own.data(), nullptr, nullptr, arguments.data(), environ) == 0);
    CHECK(succeeds(child));
    const auto before = p.memory.snapshot().total();
    const auto made = make_block(100);
    CHECK(difference(p.memory.snapshot().total(), before) == memory_amounts{100, 1, 0, 0});
}

// Run by the one before it.
TEST_CASE("what an executed program finds", "[.]") {
    CHECK(memory_profiler::hooked().empty());
    memory_profiler memory;
    CHECK_THROWS_AS(memory.start(), std::logic_error);
}
