// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_detector.hpp>

#include "instrumentation/race_hooks/seen_accesses.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// The loop calls code that is compiled in the mode: of templates of the standard library that it
// uses itself, the instances of these files are the program's.

using coroscope::coro;

namespace {

constexpr std::string_view here = "step_beginnings_test.cpp";

/// Compiled in the mode, and called as a step begins.
struct noted_beginnings : coroscope::detail::pause_sink {
    static void note_task(pause_sink& self, coroscope::detail::task_core& task,
                          std::uint64_t) noexcept {
        auto& to = static_cast<noted_beginnings&>(self);
        to.latest = task.id();
        if (to.count < to.tasks.size()) { to.tasks[to.count++] = task.id(); }
    }
    noted_beginnings() { note = &note_task; }

    std::uint64_t latest = 0;
    std::vector<std::uint64_t> tasks = std::vector<std::uint64_t>(16);
    std::size_t count = 0;
};

/// In a variable of its own frame.
coro<> count_for_itself(int rounds) {
    std::uint64_t count = 0;
    for (int i = 0; i < rounds; ++i) {
        const auto before = count;
        co_await coroscope::yield_now();
        count = std::max(before + 1, std::uint64_t{1});
    }
}

}  // namespace

TEST_CASE("what is done as a task's step begins is that task's") {
    seen_accesses seen;
    auto noted = std::make_unique<noted_beginnings>();
    coroscope::loop loop;
    loop.add_pause_sink(*noted);
    auto first = loop.create_task(count_for_itself(3));
    auto second = loop.create_task(count_for_itself(3));
    loop.run_until_complete(first);
    loop.run_until_complete(second);
    loop.remove_pause_sink(*noted);

    const auto found = seen.of(&noted->latest);
    std::vector<std::uint64_t> tasks;
    for (const auto& each : found) {
        tasks.push_back(each.task);
    }
    noted->tasks.resize(noted->count);
    CHECK(noted->count == 8);
    CHECK(tasks == noted->tasks);
}

TEST_CASE("what the loop does itself with the program's instances of templates is nobody's") {
    seen_accesses seen;
    run_two([] { return count_for_itself(3); });
    std::set<std::string> strangers;
    for (const auto& each : seen.all) {
        if (!is_in(here, each)) { strangers.insert(place_of(each)); }
    }
    CHECK(strangers == std::set<std::string>());
}

TEST_CASE("two tasks with a variable each share none, whatever the loop does between their steps") {
    raced_loop r;
    r.start(count_for_itself(5), "longer");
    r.start(count_for_itself(3), "shorter");
    r.run();
    CHECK(r.rules().empty());
}
