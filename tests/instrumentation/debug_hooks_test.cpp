// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/debug_hooks.hpp>

#include <coroscope/instrumentation/stall_watchdog.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"
#include "support/sanitizers.hpp"

#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

/// The hooks as a program's argument sets them, off again at the end.
struct hooks_on {
    hooks_on() { set("--coroscope-debug"); }
    ~hooks_on() { set("--other"); }
    hooks_on(const hooks_on&) = delete;
    hooks_on& operator=(const hooks_on&) = delete;

private:
    static void set(std::string argument) {
        ::unsetenv("COROSCOPE_DEBUG");
        std::string program = "program";
        std::array<char*, 3> arguments{program.data(), argument.data(), nullptr};
        int count = 2;
        init_debug_hooks(count, arguments.data());
    }
};

struct captured_stderr {
    captured_stderr() : before(std::cerr.rdbuf(text.rdbuf())) {}
    ~captured_stderr() { std::cerr.rdbuf(before); }
    captured_stderr(const captured_stderr&) = delete;
    captured_stderr& operator=(const captured_stderr&) = delete;
    [[nodiscard]] std::string str() const { return text.str(); }
    std::ostringstream text;
    std::streambuf* before;
};

// clang puts the address sanitizer's __cxa_throw into the program itself, so that nothing has to be
// relocated that could be redirected.
#if defined(COROSCOPE_TEST_ADDRESS_SANITIZER) && defined(__clang__)
constexpr bool throws_are_seen = false;
#else
constexpr bool throws_are_seen = true;
#endif

struct unusual {
    int number;
};

std::uint32_t throwing_line = 0;

coro<int> throw_below() {
    co_await yield_now();
    throwing_line = __LINE__ + 1;
    throw std::runtime_error("no such thing");
}

std::uint32_t awaiting_line = 0;

coro<int> fail_in_child() {
    awaiting_line = __LINE__ + 1;
    co_return co_await throw_below();
}

coro<> throw_unusual() {
    co_await yield_now();
    throw unusual{7};
}

coro<int> catch_within() {
    try {
        co_await throw_below();
    } catch (const std::runtime_error&) {}
    co_return 5;
}

coro<std::unique_ptr<int>> give(int number) {
    co_await yield_now();
    co_return std::make_unique<int>(number);
}

coro<> sleep_long() {
    co_await sleep_for(24h);
}

async_generator<int> count_to(int last) {
    for (int i = 1; i <= last; ++i) {
        co_yield i;
    }
}

/// Yields what it was sent, twice; what is thrown in, as a negative number.
async_generator<int, int> echo() {
    int answer = 0;
    for (;;) {
        try {
            const std::optional<int> sent = co_yield answer;
            answer = sent.value_or(0) * 2;
        } catch (const std::runtime_error&) { answer = -1; }
    }
}

async_generator<int> fail_second() {
    co_yield 1;
    throw std::runtime_error("no second");
}

template <class F>
auto run_here(F&& f) {
    virtual_loop v;
    return v.loop.run_until_complete(f());
}

}  // namespace

TEST_CASE("the flag is taken out of the arguments, and others stay") {
    std::array<std::string, 5> texts{"program", "--verbose", "--coroscope-debug", "file",
                                     "--coroscope-debug"};
    std::array<char*, 6> arguments{};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        arguments[i] = texts[i].data();
    }
    ::unsetenv("COROSCOPE_DEBUG");
    int count = 5;
    CHECK(init_debug_hooks(count, arguments.data()));
    REQUIRE(count == 3);
    CHECK(arguments[1] == std::string("--verbose"));
    CHECK(arguments[2] == std::string("file"));
    CHECK(arguments[3] == nullptr);
    CHECK_FALSE(init_debug_hooks(count, arguments.data()));
    CHECK(count == 3);
}

TEST_CASE("the environment variable switches the hooks on unless it is empty or 0") {
    std::array<char*, 1> arguments{nullptr};
    int count = 0;
    for (const auto& [value, on] :
         {std::pair{"1", true}, {"yes", true}, {"0", false}, {"", false}}) {
        ::setenv("COROSCOPE_DEBUG", value, 1);
        CHECK(init_debug_hooks(count, arguments.data()) == on);
    }
    ::unsetenv("COROSCOPE_DEBUG");
    CHECK_FALSE(init_debug_hooks(count, arguments.data()));
}

TEST_CASE("off, a wrapped function is called and nothing else happens") {
    const captured_stderr err;
    const auto hooked = pre_run(post_run(post_mortem(fail_in_child)));
    CHECK_THROWS_AS(run_here([&] { return hooked(); }), std::runtime_error);
    CHECK(err.str().empty());
}

TEST_CASE("off, a call of a wrapped function makes no more coroutine frames than the function") {
    struct frame_counter : observer {
        void on_frame(std::ptrdiff_t bytes) noexcept override { frames += bytes > 0 ? 1 : 0; }
        int frames = 0;
    };
    const auto hooked = pre_run(post_run(post_mortem(give)));
    const auto frames_of = [](const auto& function) {
        frame_counter counter;
        virtual_loop v;
        v.loop.add_observer(counter);
        v.loop.call_soon([&] { v.loop.create_task(function(1)); });
        v.loop.run_until_complete(v.loop.create_task(sleep_long()));
        return counter.frames;
    };
    CHECK(frames_of(give) == frames_of(hooked));
    const hooks_on on;
    const captured_stderr err;
    CHECK(frames_of(give) < frames_of(hooked));
}

TEST_CASE("post_mortem says what left the function, where it was thrown, and who waits") {
    const hooks_on on;
    const captured_stderr err;
    const auto wrapped_line = __LINE__ + 1;
    const auto hooked = post_mortem(fail_in_child);
    CHECK_THROWS_WITH(run_here([&] { return hooked(); }), "no such thing");
    const auto text = err.str();
    INFO(text);
    CHECK_THAT(text, Contains("coroscope: post_mortem of the function wrapped at"));
    CHECK_THAT(text, Contains("debug_hooks_test.cpp:" + std::to_string(wrapped_line)));
    CHECK_THAT(text, Contains("std::runtime_error: no such thing"));
    if (throws_are_seen) {
        CHECK_THAT(text, Contains("debug_hooks_test.cpp:" + std::to_string(awaiting_line)));
        CHECK_THAT(text, Contains("fail_in_child"));
        CHECK_THAT(text, Contains("native stack of the throw:"));
        if (takes_native_stacks()) {
            CHECK_THAT(text,
                       Contains("throw_below at ")
                           && Contains("debug_hooks_test.cpp:" + std::to_string(throwing_line)));
        } else {
            CHECK_THAT(text, Contains(" in ") && Contains("+0x"));
        }
    } else {
        CHECK_THAT(text, Contains("where it was thrown is not known"));
    }
    CHECK_THAT(text, Contains("task 1 (task-1), running"));
}

TEST_CASE("any exception is thrown on as it was, and results pass unchanged") {
    const hooks_on on;
    const captured_stderr err;
    const auto odd = post_mortem(throw_unusual);
    try {
        run_here([&] { return odd(); });
        FAIL("nothing was thrown");
    } catch (const unusual& e) { CHECK(e.number == 7); }
    CHECK_THAT(err.str(), Contains("an exception that is no std::exception"));
    const auto hooked = post_run(post_mortem(give));
    CHECK(*run_here([&] { return hooked(9); }) == 9);
}

TEST_CASE("an exception that is caught within the function is none of post_mortem's business") {
    const hooks_on on;
    const captured_stderr err;
    const auto hooked = post_mortem(catch_within);
    CHECK(run_here([&] { return hooked(); }) == 5);
    CHECK(err.str().empty());
}

TEST_CASE("post_mortem tells of a cancellation only if it was asked to") {
    const hooks_on on;
    const bool asked = GENERATE(false, true);
    const captured_stderr err;
    post_mortem_options options;
    options.on_cancellation = asked;
    const auto hooked = post_mortem(sleep_long, options);
    virtual_loop v;
    auto t = v.loop.create_task(hooked());
    v.loop.call_soon([&] { v.loop.call_soon([&] { t.cancel(); }); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(err.str().empty() != asked);
}

TEST_CASE("pre_run comes before the first step, post_run after the end of a call that returned") {
    const hooks_on on;
    const captured_stderr err;
    std::vector<std::string> events;
    const auto body = [](std::vector<std::string>& to) -> coro<> {
        to.push_back("body");
        co_return;
    };
    const auto hooked = pre_run(post_run(body));
    virtual_loop v;
    auto work = hooked(events);
    CHECK(err.str().empty());  // not before it runs
    v.loop.run_until_complete(std::move(work));
    const auto text = err.str();
    CHECK(events.size() == 1);
    const auto pre = text.find("pre_run of the function");
    const auto post = text.find("post_run of the function");
    CHECK(pre < post);
    CHECK(post != std::string::npos);
    CHECK_THAT(text, Contains("native stack:"));
}

TEST_CASE("post_run does not follow a failure or a cancellation") {
    const hooks_on on;
    const captured_stderr err;
    const auto failing = post_run(fail_in_child);
    CHECK_THROWS(run_here([&] { return failing(); }));
    virtual_loop v;
    const auto sleeping = post_run(sleep_long);
    auto t = v.loop.create_task(sleeping());
    v.loop.call_soon([&] { v.loop.call_soon([&] { t.cancel(); }); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(err.str().empty());
}

TEST_CASE("a wrapped generator gives its values, and post_run comes when they are exhausted") {
    const hooks_on on;
    const captured_stderr err;
    const auto hooked = post_run(post_mortem(count_to));
    const auto sum = [](async_generator<int> source, const captured_stderr& seen) -> coro<int> {
        int total = 0;
        for (;;) {
            const auto item = co_await source.next();
            if (!item) { break; }
            CHECK(seen.str().empty());
            total += *item;
        }
        co_return total;
    };
    CHECK(run_here([&] { return sum(hooked(3), err); }) == 6);
    CHECK_THAT(err.str(), Contains("post_run of the function"));
}

TEST_CASE("what is sent and thrown into a wrapped generator reaches it") {
    const hooks_on on;
    const captured_stderr err;
    const auto hooked = post_mortem(pre_run(echo));
    const auto use = [](async_generator<int, int> source) -> coro<std::vector<int>> {
        std::vector<int> got;
        const auto keep = [&got](std::optional<int> item) {
            got.push_back(item.value_or(-100));
        };
        auto item = co_await source.next();
        keep(item);
        item = co_await source.asend(4);
        keep(item);
        item = co_await source.athrow(std::runtime_error("into it"));
        keep(item);
        item = co_await source.asend(5);
        keep(item);
        co_await source.aclose();
        item = co_await source.next();
        keep(item);
        co_return got;
    };
    CHECK(run_here([&] { return use(hooked()); }) == std::vector<int>{0, 8, -1, 10, -100});
    CHECK_THAT(err.str(), Contains("pre_run of the function"));
    CHECK_THAT(err.str(), !Contains("post_mortem"));  // to be closed is no failure
}

TEST_CASE("post_mortem of a generator tells of what ends it") {
    const hooks_on on;
    const captured_stderr err;
    const auto hooked = post_run(post_mortem(fail_second));
    const auto use = [](async_generator<int> source) -> coro<> {
        co_await source.next();
        co_await source.next();
    };
    CHECK_THROWS_WITH(run_here([&] { return use(hooked()); }), "no second");
    CHECK_THAT(err.str(), Contains("post_mortem of the function"));
    CHECK_THAT(err.str(), !Contains("post_run"));
}
