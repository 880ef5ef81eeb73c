// SPDX-License-Identifier: Apache-2.0
// The waits of a program that knows how long they were, since it reads the clock before and after.
#include <coroscope/instrumentation/wait_profiler.hpp>

#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <map>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using times = std::map<std::string, duration>;

class stopped {
public:
    explicit stopped(duration& sum) : sum_(sum) {}
    ~stopped() { sum_ += std::chrono::steady_clock::now() - began_; }
    stopped(const stopped&) = delete;
    stopped& operator=(const stopped&) = delete;

private:
    duration& sum_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

constexpr int rounds = 5;

coro<> sleeping(duration each, duration& told) {
    for (int i = 0; i < rounds; ++i) {
        const stopped watch(told);
        co_await sleep_for(each);
    }
}

coro<> offloading(duration each, duration& told) {
    for (int i = 0; i < rounds; ++i) {
        auto job = [each] {
            busy_wait(each);
        };
        auto result = get_running_loop().run_in_executor(job);  // starts a thread: no wait
        const stopped watch(told);
        co_await result;
    }
}

/// Keeps the loop busy, so that the others wait for their turns, too.
coro<> computing(duration& told) {
    for (int i = 0; i < 4 * rounds; ++i) {
        busy_wait(2ms);
        const stopped watch(told);
        co_await yield_now();
    }
}

coro<> all(times& told) {
    auto& here = get_running_loop();
    const auto a = here.create_task(sleeping(24ms, told["60"]), "60");
    const auto b = here.create_task(sleeping(12ms, told["30"]), "30");
    const auto c = here.create_task(sleeping(4ms, told["10"]), "10");
    const auto d = here.create_task(offloading(8ms, told["offloading"]), "offloading");
    const auto e = here.create_task(computing(told["computing"]), "computing");
    co_await a;
    co_await b;
    co_await c;
    co_await d;
    co_await e;
}

/// By task, without the tasks' first turns, which are before anything that they could measure.
times profiled(const report::profile& profile) {
    times sums;
    for (const auto& s : profile.samples) {
        if (profile.frames[s.stack.front()].function == "[first step]") { continue; }
        sums[s.task] += duration(s.values[1] + s.values[2]);
    }
    return sums;
}

double share(const times& of, const std::string& task, const times& names) {
    duration all{};
    for (const auto& [name, unused] : names) {
        all += of.at(name);
    }
    return 100.0 * static_cast<double>(of.at(task).count()) / static_cast<double>(all.count());
}

TEST_CASE("waits have the shares that the program measures itself, to two points",
          "[wait_profiler][serial]") {
    times told;
    loop l;
    const wait_profiler profiler(l);
    l.run_until_complete(all(told));
    l.shutdown_default_executor();
    const auto found = profiled(profiler.read());
    for (const auto& [name, unused] : told) {
        CAPTURE(name, told[name].count(), found.at(name).count());
        CHECK(std::abs(share(found, name, told) - share(told, name, told)) <= 2.0);
    }
}

}  // namespace
