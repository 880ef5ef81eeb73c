// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/thread_stack.hpp>

#include "instrumentation/observed_stall.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <future>
#include <thread>

using coroscope::instrumentation::observable_thread;
using coroscope::instrumentation::thread_stack;
using namespace std::chrono_literals;

namespace {

[[gnu::noinline]] void wait_here(std::future<void>& end) {
    end.wait();
}

/// Takes the stack of a thread that waits in `wait_here`, as soon as it does.
thread_stack stack_of_waiting_thread() {
    std::promise<void> end;
    auto ended = end.get_future();
    std::promise<observable_thread> who;
    std::jthread waiting([&] {
        who.set_value(observable_thread::current());
        wait_here(ended);
    });
    const auto thread = who.get_future().get();
    thread_stack seen;
    for (int attempt = 0; attempt < 10'000; ++attempt) {  // it may not have got there yet
        seen = thread.take_stack(30s);
        if (seen.stack && find_frame(*seen.stack, "wait_here") != nullptr) { break; }
    }
    end.set_value();
    return seen;
}

}  // namespace

TEST_CASE("the stack of another thread can be taken", "[threads]") {
    const auto seen = stack_of_waiting_thread();
    INFO(seen.trouble);
#if COROSCOPE_TEST_NATIVE_STACKS && !defined(COROSCOPE_TEST_THREAD_SANITIZER)
    REQUIRE(seen.stack.has_value());
    CHECK(find_frame(*seen.stack, "wait_here") != nullptr);
#else
    CHECK(seen.stack.has_value() == seen.trouble.empty());
#endif
}

TEST_CASE("of a thread that is gone there is no stack, and it says so", "[threads]") {
    observable_thread gone;
    std::jthread([&gone] { gone = observable_thread::current(); }).join();
    const auto seen = gone.take_stack();
    CHECK_FALSE(seen.stack.has_value());
    CHECK_FALSE(seen.trouble.empty());
}
