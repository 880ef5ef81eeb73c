// SPDX-License-Identifier: Apache-2.0
// Many stacks of a thread that does nothing but throw and catch. Takes seconds, so it is hidden:
// scripts/assure runs it.

#include "thread_capture.hpp"

#include "instrumentation/observed_stall.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

using namespace coroscope::instrumentation;
using namespace coroscope::instrumentation::detail;
using namespace std::chrono_literals;

namespace {

constexpr int wanted_captures = 10'000;
constexpr auto longest_storm = 10s;

std::atomic<int> cleaned_up{0};

struct storm_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Each of them does something after its call, so that none of them leaves the stack before it.
#define COROSCOPE_STORM [[gnu::noinline]]

COROSCOPE_STORM void storm_clean_up() {
    cleaned_up.store(cleaned_up.load() + 1);
}

struct witness {
    witness() = default;
    witness(const witness&) = delete;
    witness& operator=(const witness&) = delete;
    ~witness() { storm_clean_up(); }
};

COROSCOPE_STORM int storm_innermost(int depth) {
    if (depth >= 0) { throw storm_error("storm"); }
    return depth;
}

COROSCOPE_STORM int storm_inner(int depth) {
    return storm_innermost(depth + 1) + 1;
}

COROSCOPE_STORM int storm_middle(int depth) {
    const witness cleans;
    return storm_inner(depth + 1) + 1;
}

COROSCOPE_STORM int storm_outer(int depth) {
    return storm_middle(depth + 1) + 1;
}

COROSCOPE_STORM void storm_of_throws(const std::atomic<bool>& stop) {
    while (!stop.load()) {
        try {
            storm_outer(0);
        } catch (const storm_error&) {
            // The next one.
        }
    }
}

#undef COROSCOPE_STORM

/// Who calls whom here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> calls{{
    {"storm_of_throws", "storm_outer"},
    {"storm_outer", "storm_middle"},
    {"storm_middle", "storm_inner"},
    {"storm_inner", "storm_innermost"},
    {"storm_middle", "storm_clean_up"},
}};

std::string_view storm_function(std::string_view name) {
    const auto at = name.rfind("storm_");
    return at == std::string_view::npos || name.find("storm_error") != std::string_view::npos
               ? std::string_view{}
               : name.substr(at);
}

/// Whether a stack is a path of the program's calls that ends in `main`; what else is on it belongs
/// to the C++ library, the test library, and what begins and ends the storm's own objects.
bool is_path(const coroscope::report::stack& stack) {
    std::string_view callee;
    for (const auto& frame : stack.frames) {
        const auto function = storm_function(frame.function);
        if (function.empty()) { continue; }
        const bool calls_it =
            std::find(calls.begin(), calls.end(), std::pair{function, callee}) != calls.end();
        if (!callee.empty() && !calls_it) { return false; }
        callee = function;
    }
    return !stack.truncated && callee == "storm_of_throws" && find_frame(stack, "main") != nullptr;
}

bool is_in_storm(const coroscope::report::stack& stack) {
    return std::any_of(stack.frames.begin(), stack.frames.end(),
                       [](const auto& frame) { return !storm_function(frame.function).empty(); });
}

struct storm_result {
    int taken = 0;
    int paths = 0;
    int wrong = 0;
    std::string wrong_stacks;  ///< the first few
};

storm_result capture_storm(const thread_identity& thrower) {
    storm_result result;
    thread_capture captures({SIGRTMIN + 9, 30s, std::size_t{256} * 1024});
    const auto end = std::chrono::steady_clock::now() + longest_storm;
    while (result.taken < wanted_captures && std::chrono::steady_clock::now() < end) {
        const auto made = captures.take(thrower);
        if (!made.is_taken || made.place.where != thread_place::kind::running) { continue; }
        const auto stack = captures.stack();
        // While the other thread is on its way in it is not there yet.
        if (result.paths == 0 && result.wrong == 0 && !is_in_storm(stack)) { continue; }
        ++result.taken;
        if (is_path(stack)) {
            ++result.paths;
        } else if (++result.wrong <= 3) {
            result.wrong_stacks += stack_text(stack) + '\n';
        }
    }
    return result;
}

}  // namespace

TEST_CASE("each of ten thousand stacks of a storm of exceptions is a path of the program's calls",
          "[.][stress][slow]") {
    REQUIRE(has_native_stacks());
    std::atomic<bool> stop{false};
    storm_result result;
    const auto thrower = thread_identity::of_this();
    std::thread watcher([&] {
        result = capture_storm(thrower);
        stop.store(true);
    });
    storm_of_throws(stop);
    watcher.join();
    WARN(result.taken << " stacks, " << result.wrong << " of them no path");
    INFO(result.wrong_stacks);
    CHECK(result.paths > 0);
    CHECK(result.wrong == 0);
}
