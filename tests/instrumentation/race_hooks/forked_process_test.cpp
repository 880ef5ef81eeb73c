// SPDX-License-Identifier: Apache-2.0
// What a forked process can do with a detector of its own, whatever its parent's threads do.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include "code_origins.hpp"
#include "symbolizer.hpp"

#include "instrumentation/race_hooks/threaded_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

using namespace coroscope;
using coroscope::instrumentation::detail::is_fresh_start;
using coroscope::instrumentation::detail::origin_of_code;
using coroscope::instrumentation::detail::symbolizer;

namespace {

coro<> add_across_a_sleep(int& sum) {
    const auto before = sum;
    co_await yield_now();
    sum = before + 1;
}

/// Each address is asked for once, so that nothing is known of it yet.
void read_debug_information(const std::atomic<bool>& is_over) {
    for (auto at = reinterpret_cast<std::uintptr_t>(&add_across_a_sleep); !is_over; ++at) {
        static_cast<void>(origin_of_code(at));
        static_cast<void>(is_fresh_start(at));
        static_cast<void>(symbolizer::shared().name({{at}, false}));
    }
}

/// Writes what is found, and leaves.
[[noreturn]] void find_a_race(int out) {
    constexpr unsigned seconds_at_most = 60;
    ::alarm(seconds_at_most);
    raced_loop r;
    const auto sum = std::make_unique<int>(0);
    r.start(add_across_a_sleep(*sum), "one");
    r.start(add_across_a_sleep(*sum), "two");
    r.run();
    std::string text;
    for (const auto& each : r.races.findings()) {
        text += each.rule + ": " + each.message;
    }
    static_cast<void>(!::write(out, text.data(), text.size()));
    ::_exit(0);
}

[[nodiscard]] std::string found_in_new_process() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const auto child = ::fork();
    if (child == 0) { find_a_race(ends[1]); }
    ::close(ends[1]);
    std::string found;
    std::array<char, 4096> some{};
    for (auto count = ::read(ends[0], some.data(), some.size()); count > 0;
         count = ::read(ends[0], some.data(), some.size())) {
        found.append(some.data(), static_cast<std::size_t>(count));
    }
    ::close(ends[0]);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status == 0 ? found : "it did not leave by itself";
}

void fork_beside_a_reader(int times) {
    std::atomic<bool> is_over{false};
    std::thread reader([&] { read_debug_information(is_over); });
    std::string found;
    bool is_right = true;
    for (int i = 0; i < times && is_right; ++i) {
        found = found_in_new_process();
        is_right = found.starts_with("stale-write: task ")
                   && found.find("forked_process_test.cpp:") != std::string::npos;
    }
    is_over = true;
    reader.join();
    INFO(found);
    CHECK(is_right);
}

coro<> fork_beside_job(threaded_loop& in, std::string& found) {
    unseen_event ended;
    const auto wait_for_end = [&ended] {
        ended.wait();
    };
    auto job = get_running_loop().run_in_executor(in.pool, wait_for_end);
    found = found_in_new_process();
    ended.happen();
    co_await job;
}

}  // namespace

TEST_CASE("a forked process finds a race while its parent reads debug information", "[threads]") {
    fork_beside_a_reader(30);
}

TEST_CASE("so does one that is forked in a watched step, while a job is out", "[threads]") {
    threaded_loop r;
    std::string found;
    r.start(fork_beside_job(r, found), "main");
    r.run();
    CHECK(r.rules() == rule_list{});
    INFO(found);
    CHECK(found.starts_with("stale-write: task "));
}

TEST_CASE("so do hundreds", "[.][slow][threads]") {
    fork_beside_a_reader(300);
}
