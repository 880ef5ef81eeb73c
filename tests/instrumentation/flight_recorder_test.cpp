// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/flight_recorder.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/trace_checks.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

struct lines {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
};

coro<> pause_twice(lines& at) {
    at.first = __LINE__ + 1;
    co_await sleep_for(1h);
    at.second = __LINE__ + 1;
    co_await yield_now();
}

coro<> wait_for_event(event& e) {
    co_await e.wait();
}

coro<> set_event(event& e) {
    e.set();
    co_return;
}

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

coro<> sleep_a_day() {
    co_await sleep_for(24h);
}

coro<> fail() {
    co_await yield_now();
    throw std::runtime_error("on purpose");
}

/// Yields, then blocks its loop until it is let go.
struct blockage {
    std::atomic<bool> reached{false};
    std::atomic<bool> released{false};
    std::uint32_t line = 0;
};

coro<> block(blockage& b) {
    for (int i = 0; i < 9; ++i) {
        co_await yield_now();
    }
    b.line = __LINE__ + 1;
    co_await yield_now();
    b.reached.store(true);
    while (!b.released.load()) {
        std::this_thread::yield();
    }
}

coro<> yield_until(std::atomic<bool>& done) {
    while (!done.load()) {
        co_await yield_now();
    }
}

/// Slices of one track follow each other, oldest first, and have places of this file.
void check_slices(const std::vector<nlohmann::json>& slices) {
    double ended = 0;
    for (const auto& slice : slices) {
        const auto began = slice.at("ts").get<double>();
        const std::string from = slice.at("args").at("from");
        const bool follows = began >= ended - 0.002;  // rounded to nanoseconds, both
        if (!follows || (from != "start" && !from.starts_with(__FILE__))) {
            FAIL("not after " << ended << " or not from here: " << slice.dump());
        }
        ended = began + slice.at("dur").get<double>();
    }
}

struct temporary_file {
    temporary_file()
        : path(std::filesystem::temp_directory_path()
               / ("coroscope-trace-" + std::to_string(::getpid()) + ".json")) {}
    ~temporary_file() { std::filesystem::remove(path); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    [[nodiscard]] std::string text() const {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::filesystem::path path;
};

std::string place(std::uint32_t line) {
    return std::string(__FILE__) + ":" + std::to_string(line);
}

}  // namespace

TEST_CASE(
    "a task is a track, its steps are slices with the lines from which and to which they ran") {
    flight_recorder recorder;
    virtual_loop v;
    v.loop.add_observer(recorder);
    lines at;
    const auto t = v.loop.create_task(pause_twice(at), "pauser");
    v.loop.run_until_complete(t);

    const checked_trace trace(recorder.dump());
    const auto steps = trace.events("X", "pauser");
    REQUIRE(steps.size() == 3);
    CHECK(steps[0].at("args").at("from") == "start");
    CHECK(steps[0].at("args").at("to") == place(at.first));
    CHECK(steps[1].at("args").at("from") == place(at.first));
    CHECK(steps[1].at("args").at("to") == place(at.second));
    CHECK(steps[2].at("args").at("to") == "end");
    CHECK(steps[1].at("name") == "flight_recorder_test.cpp:" + std::to_string(at.first));
    const auto marks = trace.events("i", "pauser");
    REQUIRE(marks.size() == 3);
    CHECK(marks[0].at("name") == "created");
    CHECK(marks[1].at("name") == "timer");
    CHECK(marks[2].at("name") == "end: result");
    CHECK(steps[0].at("ts") <= steps[1].at("ts"));
    CHECK(trace.other().at("events overwritten") == "0");
    CHECK(recorder.overwritten() == 0);
    CHECK(recorder.recorded() == 8);  // the name is one, twice
}

TEST_CASE("arrows lead from who woke or created to who was") {
    flight_recorder recorder;
    virtual_loop v;
    v.loop.add_observer(recorder);
    event e;
    const auto parent = [](event& shared) -> coro<> {
        auto waiter = get_running_loop().create_task(wait_for_event(shared), "waiter");
        co_await yield_now();
        auto setter = get_running_loop().create_task(set_event(shared), "setter");
        co_await setter;
        co_await waiter;
    };
    v.loop.run_until_complete(v.loop.create_task(parent(e), "parent"));

    const checked_trace trace(recorder.dump());
    CHECK(trace.arrows("spawn", "parent", "waiter") == 1);
    CHECK(trace.arrows("spawn", "parent", "setter") == 1);
    CHECK(trace.arrows("event", "setter", "waiter") == 1);
    CHECK(trace.arrows("join", "setter", "parent") + trace.arrows("join", "waiter", "parent") >= 1);
    CHECK(trace.arrows("event", "parent", "waiter") == 0);
    trace.check_that_arrows_are_bound();
    for (const auto& mark : trace.events("i", "waiter")) {
        CHECK(mark.at("name") != "woken");  // the arrow says it
    }
}

TEST_CASE("callbacks have a track, and arrows from who scheduled them") {
    flight_recorder recorder;
    virtual_loop v;
    v.loop.add_observer(recorder);
    std::uint32_t line = 0;
    const auto schedule = [](std::uint32_t& at) -> coro<> {
        at = __LINE__ + 1;
        get_running_loop().call_soon([] {});
        co_await yield_now();
        co_await yield_now();
    };
    v.loop.run_until_complete(v.loop.create_task(schedule(line), "scheduler"));

    const checked_trace trace(recorder.dump());
    const auto slices = trace.events("X", "callbacks");
    REQUIRE_FALSE(slices.empty());
    CHECK(slices[0].at("args").at("scheduled at") == place(line));
    CHECK(trace.arrows("post", "scheduler", "callbacks") == 1);
    trace.check_that_arrows_are_bound();
}

TEST_CASE("how a task ended, and names of any length and content, are in the trace") {
    flight_recorder recorder;
    virtual_loop v;
    v.loop.add_observer(recorder);
    const std::string odd = "a \"quoted\" \\ name\nover lines, with \u00e9 and a bad byte: ";
    v.loop.create_task(fail(), odd + "\xff");
    const std::string longest(200, 'x');
    v.loop.create_task(sleep_a_day(), longest).cancel();
    v.loop.create_task(yield_often(1));
    v.loop.run_until_complete(v.loop.create_task(yield_often(5), "last"));

    const checked_trace trace(recorder.dump());
    REQUIRE(trace.has_track(odd + "\ufffd"));
    CHECK(trace.events("i", odd + "\ufffd").back().at("name") == "end: exception");
    REQUIRE(trace.has_track(longest.substr(0, 96)));
    CHECK(trace.events("i", longest.substr(0, 96)).back().at("name") == "end: cancelled");
    CHECK(trace.has_track("task-3"));
}

TEST_CASE("a full ring keeps the newest events and counts what it has replaced") {
    flight_recorder_options options;
    options.capacity = 1000;
    flight_recorder recorder(options);
    CHECK(recorder.capacity() == 1024);
    virtual_loop v;
    v.loop.add_observer(recorder);
    v.loop.create_task(sleep_a_day(), "sleeper");
    v.loop.run_until_complete(v.loop.create_task(yield_often(10'000), "yielder"));

    CHECK(recorder.recorded() > 10'000);
    CHECK(recorder.overwritten() == recorder.recorded() - 1024);
    const checked_trace trace(recorder.dump());
    const auto steps = trace.events("X", "yielder");
    CHECK(steps.size() > 1000);
    CHECK(steps.size() <= 1024);
    CHECK(steps.back().at("args").at("to") == "end");
    CHECK(trace.other().at("events overwritten") == std::to_string(recorder.overwritten()));
    // Its creation is gone from the ring; it is known from the task table.
    REQUIRE(trace.has_track("sleeper"));
    const auto marks = trace.events("i", "sleeper");
    REQUIRE(marks.size() == 1);
    CHECK(marks[0].at("name") == "waits");
    CHECK(marks[0].at("args").at("for") == "sleep");
}

TEST_CASE("a recorder that has seen nothing writes an empty trace") {
    flight_recorder recorder;
    const checked_trace trace(recorder.dump());
    CHECK(trace.events("X").empty());
    CHECK(trace.other().at("events recorded") == "0");
}

TEST_CASE("a trace that cannot be written is an error that names the file") {
    flight_recorder recorder;
    CHECK_THROWS_AS(recorder.dump("/nonexistent/trace.json"), std::system_error);
    CHECK_THROWS_WITH(recorder.dump("/nonexistent/trace.json"),
                      Catch::Matchers::Contains("/nonexistent/trace.json"));
    CHECK_THROWS_AS(recorder.dump("/dev/full"), std::system_error);
}

TEST_CASE("a loop that is blocked shows all its steps, and the one that goes on", "[threads]") {
    flight_recorder recorder;
    blockage b;
    std::thread running([&] {
        virtual_loop v;
        v.loop.add_observer(recorder);
        v.loop.run_until_complete(v.loop.create_task(block(b), "blocker"));
    });
    while (!b.reached.load()) {
        std::this_thread::yield();
    }
    const auto text = recorder.dump();
    b.released.store(true);
    running.join();

    const checked_trace trace(text);
    const auto slices = trace.events("X", "blocker");
    REQUIRE(slices.size() == 11);
    check_slices(slices);
    CHECK(slices[0].at("args").at("from") == "start");
    CHECK(slices[9].at("args").at("to") == place(b.line));
    CHECK(slices[10].at("args").at("from") == place(b.line));
    CHECK(slices[10].at("args").at("to") == "still running");
}

TEST_CASE("traces that are taken while the loop runs are whole", "[threads]") {
    flight_recorder_options options;
    options.capacity = 1024;
    flight_recorder recorder(options);
    std::atomic<bool> done{false};
    std::atomic<bool> running{false};
    std::thread runner([&] {
        virtual_loop v;
        v.loop.add_observer(recorder);
        v.loop.call_soon([&] { running.store(true); });
        v.loop.create_task(yield_until(done), "other");
        v.loop.run_until_complete(v.loop.create_task(yield_until(done), "yielder"));
    });
    while (!running.load()) {
        std::this_thread::yield();
    }
    const temporary_file file;
    std::vector<std::string> texts;
    for (int i = 0; i < 10; ++i) {
        texts.push_back(recorder.dump());
        const int descriptor = ::open(file.path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK(recorder.dump_from_signal(descriptor));
        ::close(descriptor);
        texts.push_back(file.text());
    }
    done.store(true);
    runner.join();
    for (const auto& text : texts) {
        const checked_trace trace(text);
        check_slices(trace.events("X", "yielder"));
        check_slices(trace.events("X", "other"));
    }
}
