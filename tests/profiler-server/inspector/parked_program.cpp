// SPDX-License-Identifier: Apache-2.0
// What other programs look into. Does what its first argument says, writes `ready` once it is done,
// and ends when its input does.
//
//   parked        tasks that wait for all kinds of things
//   blocked       a task whose step does not end
//   busy COUNT    tasks that never stand still, and COUNT that sleep through it all
//   many COUNT    so many tasks
//   idle          no task at all

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <sys/prctl.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

using coroscope::coro;
using coroscope::loop;
using namespace std::chrono_literals;

namespace {

void wait_for_end_of_input() {
    std::string line;
    while (std::getline(std::cin, line)) {}
}

void tell_ready() {
    std::cout << "ready" << std::endl;
}

coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);  // innermost
}

coro<> nap_deeper() {
    co_await nap(24h);  // in the middle
}

coro<> nap_deepest() {
    co_await nap_deeper();  // outermost
}

coro<> hold(coroscope::mutex& m) {
    const auto lock = co_await m.scoped();
    co_await coroscope::sleep_for(24h);
}

coro<> want(coroscope::mutex& m) {
    const auto lock = co_await m.scoped();  // the mutex
}

coro<> await_future(coroscope::future<int> f) {
    co_await f;  // the future
}

coro<> await_item(coroscope::queue<int>& q) {
    co_await q.get();  // the queue
}

coro<> await_task(coroscope::task<> t) {
    co_await t;  // the task
}

coro<> make_child() {
    coroscope::get_running_loop().create_task(nap(24h), "child");  // the call
    co_await coroscope::sleep_for(24h);
}

coro<> make_child_deeper() {
    co_await make_child();  // the call of the call
}

coro<> parent() {
    co_await make_child_deeper();  // its call in turn
}

coro<> block() {
    tell_ready();
    wait_for_end_of_input();
    co_return;
}

coro<> never_still(const bool& stop) {
    while (!stop) {
        co_await coroscope::yield_now();
    }
}

coro<> short_lives(const bool& stop) {
    while (!stop) {
        auto t = coroscope::get_running_loop().create_task(nap(0s));
        co_await t;
    }
}

/// Runs the loop until the input has ended.
void run(loop& l, bool& stop) {
    l.call_soon(tell_ready);
    std::thread reader([&] {
        wait_for_end_of_input();
        l.call_soon_threadsafe([&] {
            stop = true;
            l.stop();
        });
    });
    l.run_forever();
    reader.join();
}

struct parked_things {
    coroscope::mutex mutex;
    coroscope::queue<int> queue;
};

void park(loop& l, parked_things& things) {
    l.set_origin_depth(10);
    const auto sleeper = l.create_task(nap_deepest(), "sleeper");
    l.create_task(hold(things.mutex), "holder");
    l.create_task(want(things.mutex), "wants mutex");
    l.create_task(await_future(l.create_future<int>()), "wants future");
    l.create_task(await_item(things.queue), "wants item");
    l.create_task(await_task(sleeper), "wants sleeper");
    l.create_task(nap(24h), "a name that is longer than what a record has room for");
    l.create_task(nap(24h));
    l.create_task(parent(), "parent");
}

int run_mode(std::string_view mode, std::size_t count) {
    loop l;
    bool stop = false;
    auto things = std::make_unique<parked_things>();
    if (mode == "parked") {
        park(l, *things);
    } else if (mode == "blocked") {
        l.create_task(nap(24h), "sleeper");
        l.run_until_complete(l.create_task(block(), "blocked"));
        return 0;
    } else if (mode == "busy" || mode == "many") {
        for (std::size_t i = 0; i < count; ++i) {
            l.create_task(nap(24h));
        }
        for (int i = 0; mode == "busy" && i < 50; ++i) {
            l.create_task(never_still(stop), "never still");
            l.create_task(short_lives(stop), "short lives");
        }
    } else if (mode != "idle") {
        return 2;
    }
    run(l, stop);
    return 0;
}

}  // namespace

int main(int argc, char* argv[]) {
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // where Yama lets only parents read
    const std::string mode = argc > 1 ? argv[1] : "parked";
    return run_mode(mode, argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0);
}
