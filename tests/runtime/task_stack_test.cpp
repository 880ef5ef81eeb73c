// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <latch>
#include <thread>
#include <vector>

using coroscope::coro;
using coroscope::read_task_stack;
using coroscope::read_tasks;
using namespace std::chrono_literals;

namespace {

coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
}

// With `Bytes` in its frame: large ones are no blocks of a slab.
template <std::size_t Bytes>
coro<> nap_beside(int depth) {
    std::array<char, Bytes> room{};
    if (depth > 0) {
        co_await nap_beside<Bytes>(depth - 1);
    } else {
        co_await nap(1h);
    }
    CHECK(room[0] == '\0');
}

void pass(coroscope::loop& l) {
    l.call_soon([&l] { l.stop(); });
    l.run_forever();
}

std::vector<unsigned> lines_of(const std::vector<coroscope::await_site>& sites) {
    std::vector<unsigned> lines;
    for (const auto& site : sites) {
        lines.push_back(site.line());
    }
    return lines;
}

}  // namespace

TEST_CASE("the stack that any thread can read is the one that the loop's thread has") {
    virtual_loop v;
    const auto small = v.loop.create_task(nap_beside<8>(3));
    const auto large = v.loop.create_task(nap_beside<100'000>(3));
    pass(v.loop);
    const auto views = read_tasks(v.loop.id());
    REQUIRE(views.size() == 2);
    CHECK(lines_of(read_task_stack(views[0])) == lines_of(small.stack()));
    CHECK(lines_of(read_task_stack(views[1])) == lines_of(large.stack()));
    CHECK(lines_of(read_task_stack(v.loop.id(), large.id())) == lines_of(large.stack()));
    CHECK(small.stack().size() == 5);
}

TEST_CASE("a task without a stack has an empty one") {
    virtual_loop v;
    const auto task = v.loop.create_task(nap(1s));
    pass(v.loop);
    const auto view = read_tasks(v.loop.id()).at(0);
    CHECK(read_task_stack(view).size() == 1);
    v.loop.run_until_complete(task);
    CHECK(read_task_stack(view).empty());
    const auto next = v.loop.create_task(nap(1s));
    pass(v.loop);
    CHECK(read_task_stack(view).empty());
    CHECK(read_task_stack(v.loop.id(), next.id()).size() == 1);
    CHECK(read_task_stack(v.loop.id(), 0).empty());
    CHECK(read_task_stack(v.loop.id(), 77).empty());
    CHECK(read_task_stack({}).empty());
}

TEST_CASE("a very deep stack has its innermost sites") {
    virtual_loop v;
    const auto task = v.loop.create_task(nap_beside<8>(5'000));
    pass(v.loop);
    const auto sites = read_task_stack(v.loop.id(), task.id());
    CHECK(sites.size() == coroscope::most_stack_sites);
    CHECK(sites[0].line() == task.stack()[0].line());
}

TEST_CASE("stacks are read while tasks run, come and go", "[threads]") {
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> id{0};
    std::latch started(1);
    std::thread thread([&] {
        coroscope::loop l;
        id = l.id();
        const auto churn = [](const std::atomic<bool>& until) -> coro<> {
            while (!until) {
                auto t = coroscope::get_running_loop().create_task(nap_beside<8>(2));
                co_await coroscope::yield_now();
                t.cancel();
                co_await coroscope::yield_now();
            }
        };
        l.create_task(nap_beside<8>(2), "sleeper");
        l.call_soon([&] { started.count_down(); });
        l.run_until_complete(l.create_task(churn(stop)));
    });
    started.wait();
    for (int round = 0; round < 200; ++round) {
        for (const auto& view : read_tasks(id)) {
            const auto sites = read_task_stack(view);
            if (view.name == "sleeper" && view.steps > 0) { CHECK(sites.size() == 4); }
            // A task that was never resumed stands nowhere yet.
            CHECK((sites.empty() || sites.size() == 1 || sites.size() == 4));
        }
    }
    stop = true;
    thread.join();
}
