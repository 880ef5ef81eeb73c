// SPDX-License-Identifier: Apache-2.0
// Taking the stacks of threads that run, whatever they are at.

#include "thread_capture.hpp"

#include "landing_places.hpp"
#include "symbolizer.hpp"

#include "instrumentation/observed_stall.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <pthread.h>
#include <ucontext.h>

using namespace coroscope::instrumentation;
using namespace coroscope::instrumentation::detail;
using namespace std::chrono_literals;

namespace {

constexpr int capture_offset = 9;

capture_settings patient() {
    return {SIGRTMIN + capture_offset, 30s, std::size_t{256} * 1024};
}

/// A thread that does something until it is told to stop.
class busy_thread {
public:
    template <class F>
    explicit busy_thread(F work)
        : thread_([this, work] {
              identity_ = thread_identity::of_this();
              has_begun_.store(true);
              work(stop_);
          }) {
        while (!has_begun_.load()) {
            std::this_thread::yield();
        }
    }
    busy_thread(const busy_thread&) = delete;
    busy_thread& operator=(const busy_thread&) = delete;
    ~busy_thread() {
        stop_.store(true);
        thread_.join();
    }
    [[nodiscard]] const thread_identity& identity() const { return identity_; }

private:
    std::atomic<bool> stop_{false};
    std::atomic<bool> has_begun_{false};
    thread_identity identity_;
    std::thread thread_;
};

void turn_in_circles(const std::atomic<bool>& stop) {
    while (!stop.load()) {}
}

/// Captures until the function is on the stack: the thread may not have got there yet.
std::optional<coroscope::report::stack> capture_in(thread_capture& captures,
                                                   const thread_identity& thread,
                                                   std::string_view function) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const auto made = captures.take(thread);
        if (!made.is_taken) {
            WARN(made.trouble);
            return std::nullopt;
        }
        auto stack = captures.stack();
        if (find_frame(stack, function) != nullptr) { return stack; }
    }
    return std::nullopt;
}

#if defined(COROSCOPE_TEST_THREAD_SANITIZER)
constexpr bool takes_running_threads = false;
#else
constexpr bool takes_running_threads = true;
#endif

bool can_capture() {
    if (has_native_stacks() && takes_running_threads) { return true; }
    WARN("skipped: no stacks of running threads in this build");
    return false;
}

ucontext_t fibers_home;
ucontext_t fiber;
const std::atomic<bool>* fibers_stop = nullptr;

void on_a_fiber() {
    turn_in_circles(*fibers_stop);
}

void in_a_handler(int) {
    turn_in_circles(*fibers_stop);
}

std::atomic<int> signals_of_the_program{0};

void count_signal(int) {
    ++signals_of_the_program;
}

struct storm_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// NOLINTNEXTLINE(misc-no-recursion): frames to unwind
int throw_deep(int depth) {
    if (depth == 0) { throw storm_error("storm"); }
    return throw_deep(depth - 1) + 1;
}

void throw_and_catch(const std::atomic<bool>& stop) {
    while (!stop.load()) {
        try {
            throw_deep(8);
        } catch (const storm_error&) {
            // The next one.
        }
    }
}

}  // namespace

TEST_CASE("a running thread's stack is complete, from the loop that it is in to its start") {
    if (!can_capture()) { return; }
    thread_capture captures(patient());
    const busy_thread busy([](const auto& stop) { turn_in_circles(stop); });
    int truncated = 0;
    for (int i = 0; i < 300; ++i) {  // at each instruction of the loop, and of what it calls
        const auto stack = capture_in(captures, busy.identity(), "turn_in_circles");
        REQUIRE(stack.has_value());
        truncated += stack->truncated ? 1 : 0;
        REQUIRE(find_frame(stack, "turn_in_circles")->line > 0);
    }
    CHECK(truncated == 0);
}

TEST_CASE("a fiber's stack is taken up to where the fiber begins") {
    if (!can_capture()) { return; }
    thread_capture captures(patient());
    const busy_thread busy([](const std::atomic<bool>& stop) {
        std::vector<char> memory(std::size_t{128} * 1024);
        fibers_stop = &stop;
        ::getcontext(&fiber);
        fiber.uc_stack.ss_sp = memory.data();
        fiber.uc_stack.ss_size = memory.size();
        fiber.uc_link = &fibers_home;
        ::makecontext(&fiber, on_a_fiber, 0);
        ::swapcontext(&fibers_home, &fiber);
    });
    CHECK(capture_in(captures, busy.identity(), "on_a_fiber").has_value());
}

TEST_CASE("a thread on an alternate stack is captured there") {
    if (!can_capture()) { return; }
    thread_capture captures(patient());
    const busy_thread busy([](const std::atomic<bool>& stop) {
        std::vector<char> memory(std::size_t{256} * 1024);
        stack_t alternate{};
        alternate.ss_sp = memory.data();
        alternate.ss_size = memory.size();
        stack_t before{};
        ::sigaltstack(&alternate, &before);
        struct sigaction action {};
        action.sa_handler = in_a_handler;
        action.sa_flags = SA_ONSTACK;
        struct sigaction earlier {};
        ::sigaction(SIGUSR2, &action, &earlier);
        fibers_stop = &stop;
        ::raise(SIGUSR2);
        ::sigaction(SIGUSR2, &earlier, nullptr);
        ::sigaltstack(&before, nullptr);
    });
    CHECK(capture_in(captures, busy.identity(), "in_a_handler").has_value());
}

TEST_CASE("a thread that holds the signal back is left alone, and the reason told") {
    if (!can_capture()) { return; }
    thread_capture captures(patient());
    const busy_thread busy([](const auto& stop) {
        sigset_t held;
        ::sigemptyset(&held);
        ::sigaddset(&held, SIGRTMIN + capture_offset);
        ::pthread_sigmask(SIG_BLOCK, &held, nullptr);
        turn_in_circles(stop);
    });
    auto made = captures.take(busy.identity());
    while (made.is_taken || made.place.is_blocked()) {  // it has not come so far yet
        made = captures.take(busy.identity());
    }
    CHECK(made.trouble
          == "the thread holds signal " + std::to_string(SIGRTMIN + capture_offset)
                 + " back; unblock it, or choose another one with "
                   "stall_watchdog_options::signal_number");
}

TEST_CASE("a handler that the program had is kept and called for its own signals") {
    if (!can_capture()) { return; }
    const int number = SIGRTMIN + 11;
    struct sigaction action {};
    action.sa_handler = count_signal;
    ::sigaction(number, &action, nullptr);
    auto settings = patient();
    settings.signal_number = number;
    thread_capture captures(settings);
    signals_of_the_program = 0;
    ::raise(number);
    CHECK(signals_of_the_program == 1);
    const busy_thread busy([](const auto& stop) { turn_in_circles(stop); });
    CHECK(capture_in(captures, busy.identity(), "turn_in_circles").has_value());
    CHECK(signals_of_the_program == 1);
}

TEST_CASE("a handler that the program puts in the place of ours gets none of our signals") {
    if (!can_capture()) { return; }
    const int number = SIGRTMIN + 12;
    auto settings = patient();
    settings.signal_number = number;
    thread_capture captures(settings);
    struct sigaction action {};
    action.sa_handler = count_signal;
    struct sigaction ours {};
    ::sigaction(number, &action, &ours);
    signals_of_the_program = 0;
    const busy_thread busy([](const auto& stop) { turn_in_circles(stop); });
    auto made = captures.take(busy.identity());
    while (made.place.is_blocked()) {
        made = captures.take(busy.identity());
    }
    CHECK(made.trouble.starts_with("the program has replaced the handler of signal "));
    CHECK(signals_of_the_program == 0);
    ::sigaction(number, &ours, nullptr);
}

TEST_CASE("every stack that is taken in a storm of exceptions ends in main") {
    if (!can_capture()) { return; }
    constexpr int wanted = 400;
    std::atomic<bool> stop{false};
    const auto thrower = thread_identity::of_this();
    int complete = 0;
    std::string wrong;
    std::thread watcher([&] {
        thread_capture captures(patient());
        for (int taken = 0; taken < wanted && wrong.empty();) {
            const auto made = captures.take(thrower);
            if (!made.is_taken || made.place.where != thread_place::kind::running) { continue; }
            ++taken;
            const std::optional stack = captures.stack();
            if (find_frame(stack, "throw_and_catch") == nullptr) {
                continue;  // the thread that throws is on its way in
            }
            if (stack->truncated || find_frame(stack, "main") == nullptr) {
                wrong = stack_text(*stack);
            }
            ++complete;
        }
        stop.store(true);
    });
    throw_and_catch(stop);
    watcher.join();
    CHECK(wrong.empty());
    INFO(wrong);
    CHECK(complete > wanted / 2);
}

TEST_CASE("exceptions are still unwound by the C++ runtime's own library") {
    void* const function = ::dlsym(RTLD_DEFAULT, "_Unwind_RaiseException");
    REQUIRE(function != nullptr);
    Dl_info from{};
    REQUIRE(::dladdr(function, &from) != 0);
    const std::string library = from.dli_fname;
    CAPTURE(library);
    CHECK(library.find("libunwind") == std::string::npos);
    // Sanitizers put a function of their own before that one.
#if !defined(COROSCOPE_TEST_ADDRESS_SANITIZER) && !defined(COROSCOPE_TEST_THREAD_SANITIZER)
    CHECK(library.find("libgcc_s") != std::string::npos);
#endif
}

TEST_CASE("where exceptions arrive at their handlers is known of the C++ runtime's own library") {
    const landing_places known;
    CHECK_FALSE(known.empty());
    unwound_stack elsewhere{{reinterpret_cast<std::uintptr_t>(&turn_in_circles)}, false};
    CHECK_FALSE(known.cut(elsewhere));
    CHECK(elsewhere.addresses.size() == 1);
}

TEST_CASE("linkers' names are told as people write them") {
    CHECK(readable_function("main") == "main");
    CHECK(readable_function("_ZN9docserver8compressERKi") == "docserver::compress");
    CHECK(readable_function("_ZN9docserver8compressERKi.actor") == "docserver::compress");
    CHECK(readable_function("_ZZ4mainENKUliE_clEi") == "main::<lambda(int)>");
    CHECK(readable_function("_ZZ4openPZL4openvE15_ZL4openv.Frame.actorE5count") == "open()::count");
}
