// SPDX-License-Identifier: Apache-2.0
// What vector clocks take depends on how many tasks live, not on how many there were.
#include "races/race_clock.hpp"

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <iostream>
#include <vector>

#include <sys/resource.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using coroscope::instrumentation::detail::race_clock;

namespace {

using number = shared<std::size_t>;

coro<> count_and_wait(number& n, event& go_on) {
    n.update([](std::size_t& value) { ++value; });
    co_await go_on.wait();
    n.update([](std::size_t& value) { ++value; });
}

coro<> one_generation(number& n, std::size_t live) {
    event go_on;
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < live; ++i) {
        tasks.push_back(get_running_loop().create_task(count_and_wait(n, go_on)));
    }
    co_await yield_now();
    go_on.set();
    for (const auto& each : tasks) {
        co_await each;
    }
}

struct clock_memory {
    std::size_t slots;
    std::size_t nodes;
    std::size_t resident_mib;  ///< the most so far, of the process
};

[[nodiscard]] std::size_t most_resident_mib() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return static_cast<std::size_t>(used.ru_maxrss) / 1024;
}

/// After each so many generations.
clock_memory run_generations(std::size_t live, std::size_t generations) {
    raced_loop v;
    number n(0, "n");
    auto body = [](number& counted, std::size_t alive, std::size_t times) -> coro<> {
        for (std::size_t i = 0; i < times; ++i) {
            co_await one_generation(counted, alive);
        }
    };
    v.start(body(n, live, generations), "main");
    v.run();
    CHECK(n.peek() == 2 * live * generations);
    CHECK(v.rules().empty());
    return {v.races.clock_slots_used(), race_clock::nodes_alive(), most_resident_mib()};
}

clock_memory check_bound(std::size_t live, std::size_t generations) {
    const auto once = run_generations(live, 1);
    const auto often = run_generations(live, generations);
    CHECK(once.slots >= live);
    CHECK(often.slots <= 2 * once.slots + 200);
    CHECK(often.nodes <= 3 * once.nodes + 200);  // those of two generations, and what came apart
    CHECK(often.resident_mib <= 2 * once.resident_mib + 64);
    return often;
}

}  // namespace

TEST_CASE("generations of tasks use the clocks of those before") {
    check_bound(300, 10);
}

TEST_CASE("so do ten million, a hundred thousand at a time", "[.][slow][clock-memory]") {
    const auto used = check_bound(100'000, 100);
    std::cout << "ten million tasks, a hundred thousand at a time: " << used.slots
              << " clock slots, " << used.nodes << " clock nodes, " << used.resident_mib
              << " MiB resident at most\n";
}
