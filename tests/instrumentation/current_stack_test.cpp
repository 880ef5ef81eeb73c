// SPDX-License-Identifier: Apache-2.0
// The stack of the task that runs: what its step has called, then its co_awaits.
#include <coroscope/instrumentation/await_graph.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

using lines = std::vector<std::string>;

lines current_stack() {
    std::stringstream text;
    print_current_stack(text);
    lines all;
    for (std::string line; std::getline(text, line);) {
        all.push_back(line);
    }
    return all;
}

/// Plain calls, as many as `depth`, between a coroutine and the look at its stack.
[[gnu::noinline]] void descend(int depth, lines& found) {
    if (depth > 1) {
        descend(depth - 1, found);
    } else {
        found = current_stack();
    }
    asm volatile("" ::: "memory");  // or the call above would be a jump
}

coro<lines> look(int depth) {
    co_await yield_now();
    lines found;
    descend(depth, found);
    co_return found;
}

coro<lines> look_from_outside(int depth) {
    auto found = co_await look(depth);
    co_return found;
}

lines stack_at(int depth) {
    virtual_loop v;
    return v.loop.run_until_complete(v.loop.create_task(look_from_outside(depth), "looking"));
}

std::size_t native_lines(const lines& all) {
    const auto task = std::find_if(all.begin(), all.end(), [](const std::string& line) {
        return line.starts_with("task 1 (looking), running");
    });
    REQUIRE(task != all.end());
    return static_cast<std::size_t>(task - all.begin());
}

}  // namespace

TEST_CASE("the stack of the running task begins with what its step has called") {
    const auto shallow = native_lines(stack_at(1));
    CHECK(shallow >= 2);  // `descend`, `current_stack`, what a sanitizer puts in between,
    CHECK(shallow <= 4);  // and nothing of the loop's
    CHECK(native_lines(stack_at(6)) == shallow + 5);
}

TEST_CASE("behind the native part come the lines of its co_awaits") {
    const auto all = stack_at(2);
    const auto task = native_lines(all);
    REQUIRE(all.size() == task + 3);
    CHECK(all[task + 1].ends_with("::look"));
    CHECK(all[task + 2].ends_with("::look_from_outside"));
}

TEST_CASE("outside of a task there is no such stack, and that is said") {
    CHECK(current_stack() == lines{"no task runs on this thread"});
    virtual_loop v;
    lines in_callback;
    v.loop.call_soon([&] {
        in_callback = current_stack();
        v.loop.stop();
    });
    v.loop.run_forever();
    CHECK(in_callback == lines{"no task runs on this thread"});
}
