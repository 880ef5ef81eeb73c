// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/slow.hpp>

#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using coroscope::detail::tick_clock;
using report::slow_step;

namespace {

constexpr auto threshold = 1ms;
constexpr auto burning = 4ms;  // by the steady clock, which may differ a little
constexpr auto burnt = 3ms;

struct lines {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
};

coro<> block_in_the_middle(lines& at) {
    at.from = __LINE__ + 1;
    co_await yield_now();
    busy_wait(burning);
    at.to = __LINE__ + 1;
    co_await sleep_for(1h);
}

coro<> block_at_once(lines& at) {
    busy_wait(burning);
    at.to = __LINE__ + 1;
    co_await yield_now();
}

coro<> block_at_the_end(lines& at) {
    at.from = __LINE__ + 1;
    co_await yield_now();
    busy_wait(burning);
}

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

coro<> yield_until(const bool& done) {
    while (!done) {
        co_await yield_now();
    }
}

loop_options with_threshold(duration d) {
    loop_options options;
    options.slow_callback_duration = d;
    return options;
}

/// The records of steps that this test blocked in; a busy machine may add others.
std::vector<slow_step> long_ones(const slow_spotter& spotter) {
    auto records = spotter.records();
    std::erase_if(records, [](const auto& step) { return step.wall < burnt; });
    return records;
}

struct captured_stderr {
    captured_stderr() : before(std::cerr.rdbuf(text.rdbuf())) {}
    ~captured_stderr() { std::cerr.rdbuf(before); }
    captured_stderr(const captured_stderr&) = delete;
    captured_stderr& operator=(const captured_stderr&) = delete;
    std::ostringstream text;
    std::streambuf* before;
};

}  // namespace

TEST_CASE("a task that blocks between two awaits is recorded with both lines and its creation") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(threshold));
    spotter.attach_to(v.loop);
    lines at;
    const auto created_line = __LINE__ + 1;
    auto t = v.loop.create_task(block_in_the_middle(at), "compressor");
    v.loop.run_until_complete(t);

    const auto records = long_ones(spotter);
    REQUIRE(records.size() == 1);
    const auto& step = records.front();
    CHECK(step.kind == report::step_kind::task);
    CHECK(step.name == "compressor");
    CHECK(step.task_id == t.id());
    CHECK(step.loop_id == v.loop.id());
    CHECK(step.from.line == at.from);
    CHECK(step.to.line == at.to);
    CHECK(step.from.file.ends_with("slow_test.cpp"));
    CHECK(step.from.function.ends_with("block_in_the_middle"));
    CHECK(step.created_at.line == created_line);
    CHECK(step.wall >= burnt);
    CHECK(step.threshold == threshold);
    CHECK(step.sequence > 0);
    CHECK(spotter.log()->threshold() == threshold);
}

TEST_CASE("a step below the threshold is not recorded") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(10s));
    spotter.attach_to(v.loop);
    lines at;
    v.loop.run_until_complete(block_in_the_middle(at));
    CHECK(spotter.records().empty());
    CHECK(spotter.log()->dropped() == 0);
    CHECK(spotter.log()->threshold() == 10s);
}

TEST_CASE("the threshold is inclusive") {
    const auto ticks = tick_clock::to_ticks(5ms);
    step_record step;
    step.begin = 1000;
    step.end = step.begin + ticks;
    CHECK(took_at_least(step, 5ms));
    step.end = step.begin + ticks - 1;
    CHECK_FALSE(took_at_least(step, 5ms));
    step.end = step.begin;
    CHECK(took_at_least(step, 0ms));
}

TEST_CASE("a time stamp that jumps is no slow step") {
    step_record step;
    step.begin = 1000;
    step.end = 900;
    CHECK_FALSE(took_at_least(step, 1ns));
    step.end = std::numeric_limits<std::uint64_t>::max() / 2;
    CHECK_FALSE(took_at_least(step, 1ns));
}

TEST_CASE("the start and the end of a coroutine are empty positions") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(threshold));
    spotter.attach_to(v.loop);
    lines first;
    lines last;
    v.loop.run_until_complete(block_at_once(first));
    v.loop.run_until_complete(block_at_the_end(last));

    const auto records = long_ones(spotter);
    REQUIRE(records.size() == 2);
    CHECK(records[0].from.empty());
    CHECK(records[0].to.line == first.to);
    CHECK(records[1].from.line == last.from);
    CHECK(records[1].to.empty());
    CHECK(records[1].name == "task-2");
}

TEST_CASE("a callback that blocks is recorded with the line that scheduled it") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(threshold));
    spotter.attach_to(v.loop);
    const auto line = __LINE__ + 1;
    v.loop.call_soon([] { busy_wait(burning); });
    v.loop.run_forever();

    const auto records = long_ones(spotter);
    REQUIRE(records.size() == 1);
    CHECK(records[0].kind == report::step_kind::callback);
    CHECK(records[0].task_id == 0);
    CHECK(records[0].created_at.line == line);
    CHECK(records[0].from.empty());
}

TEST_CASE("foreign Asio handlers that block are recorded as a poll") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(threshold));
    spotter.attach_to(v.loop);
    bool ran = false;
    boost::asio::post(v.loop.io_context(), [&ran] {
        busy_wait(burning);
        ran = true;
    });
    v.loop.run_until_complete(yield_until(ran));

    auto records = long_ones(spotter);
    // The task that waits yields all the while: a busy machine may stop it as long in a step.
    std::erase_if(records, [](const auto& r) { return r.kind == report::step_kind::task; });
    REQUIRE(records.size() == 1);
    CHECK(records[0].kind == report::step_kind::io_poll);
    CHECK(summary(records[0]).starts_with("Executing <io_poll 'foreign Asio handlers'> took 0.0"));
}

TEST_CASE("under a fake clock the duration is real and the loop's time virtual") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(threshold));
    spotter.attach_to(v.loop);
    v.loop.call_later(24h, [] { busy_wait(burning); });
    v.loop.run_forever();
    const auto records = long_ones(spotter);
    REQUIRE(records.size() == 1);
    CHECK(records[0].wall < 1h);
    CHECK(records[0].loop_time == 24h);
}

TEST_CASE("a threshold of zero records every step") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(0ns));
    spotter.attach_to(v.loop);
    v.loop.run_until_complete(yield_often(500));
    CHECK(spotter.records().size() == 501);
    CHECK(spotter.records().size() == v.loop.statistics().steps);
}

TEST_CASE("a threshold that is changed while the loop runs counts from then on") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(10s));
    spotter.attach_to(v.loop);
    v.loop.run_until_complete(yield_often(3));
    v.loop.set_slow_callback_duration(threshold);
    lines at;
    v.loop.run_until_complete(block_in_the_middle(at));
    CHECK(long_ones(spotter).size() == 1);
    CHECK(spotter.log()->threshold() == 10s);  // nothing is known of shorter steps before
}

TEST_CASE("an own threshold above the loop's keeps the shorter steps out") {
    slow_spotter spotter({.threshold = 10s});
    virtual_loop v(with_threshold(threshold));
    spotter.attach_to(v.loop);
    lines at;
    v.loop.run_until_complete(block_in_the_middle(at));
    CHECK(spotter.records().empty());
    CHECK(v.loop.slow_callback_duration() == threshold);
}

TEST_CASE("an own threshold below the loop's lowers the loop's, so that the task has a name") {
    slow_spotter spotter({.threshold = threshold});
    virtual_loop v(with_threshold(10s));
    spotter.attach_to(v.loop);
    CHECK(v.loop.slow_callback_duration() == threshold);
    lines at;
    v.loop.run_until_complete(v.loop.create_task(block_at_the_end(at), "gone at once"));
    const auto records = long_ones(spotter);
    REQUIRE(records.size() == 1);
    CHECK(records[0].name == "gone at once");
}

TEST_CASE("attached as a mere observer, the higher of both thresholds decides") {
    slow_spotter spotter({.threshold = 0ns});
    virtual_loop v(with_threshold(threshold));
    v.loop.add_observer(spotter);
    lines at;
    v.loop.run_until_complete(block_in_the_middle(at));
    const auto records = long_ones(spotter);
    REQUIRE(records.size() == 1);
    CHECK(records[0].from.line == at.from);
    CHECK(records[0].threshold == threshold);
    CHECK(spotter.log()->threshold() == threshold);
    CHECK(v.loop.slow_callback_duration() == threshold);
}

TEST_CASE("a threshold that no step ran under does not count as the one recorded at") {
    slow_spotter spotter;
    virtual_loop v(with_threshold(10s));
    spotter.attach_to(v.loop);
    v.loop.set_slow_callback_duration(5ms);
    CHECK_FALSE(spotter.log()->threshold().has_value());
    v.loop.run_until_complete(yield_often(1));
    CHECK(spotter.log()->threshold() == 5ms);
}

TEST_CASE("the handler gets each record, and its own time is nobody's") {
    std::vector<slow_step> handled;
    slow_spotter_options options;
    options.handler = [&handled](const slow_step& step) {
        handled.push_back(step);
        busy_wait(2 * burning);
    };
    slow_spotter spotter(options);
    virtual_loop v(with_threshold(burnt));
    spotter.attach_to(v.loop);
    lines at;
    v.loop.run_until_complete(block_in_the_middle(at));
    CHECK(handled == spotter.records());
    CHECK(handled.size() == 1);
}

TEST_CASE("a handler that throws is reported once, and recording goes on") {
    slow_spotter_options options;
    options.handler = [](const slow_step&) {
        throw std::runtime_error("disk full");
    };
    slow_spotter spotter(options);
    virtual_loop v(with_threshold(0ns));
    spotter.attach_to(v.loop);
    v.loop.run_until_complete(yield_often(5));
    CHECK(spotter.records().size() == 6);
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].message == "the handler of a slow_spotter threw; it is not called again");
}

TEST_CASE("records go to standard error in debug mode, or as the option says") {
    const auto text_of = [](std::optional<bool> log, bool debug) {
        slow_spotter spotter({.log = log});
        auto options = with_threshold(0ns);
        options.debug = debug;
        virtual_loop v(options);
        spotter.attach_to(v.loop);
        const captured_stderr err;
        v.loop.run_until_complete(yield_often(0));
        return err.text.str();
    };
    CHECK(text_of({}, true).starts_with("Executing <task 'task-1' id=1 created at "));
    CHECK(text_of(true, false).starts_with("Executing <task "));
    CHECK(text_of({}, false).empty());
    CHECK(text_of(false, true).empty());
}

TEST_CASE("the log's text", "[golden]") {
    slow_step step;
    step.loop_id = 2;
    step.task_id = 7;
    step.name = "serve";
    step.created_at = {"src/main.cpp", 20, "main"};
    step.from = {"src/gzip.cpp", 41, "docserver::read_file"};
    step.to = {"src/gzip.cpp", 57, "docserver::send"};
    step.wall = 150ms;
    step.threshold = 100ms;
    CHECK(log_text(step)
          == "Executing <task 'serve' id=7 created at src/main.cpp:20> took 0.150 seconds\n"
             "  ran from: src/gzip.cpp:41 in docserver::read_file\n"
             "  ran to: src/gzip.cpp:57 in docserver::send\n"
             "  created at: src/main.cpp:20 in main\n"
             "  threshold: 0.100 seconds, loop 2\n");
    step.from = {};
    step.to = {};
    CHECK(log_text(step).find("  ran from: the coroutine's start\n"
                              "  ran to: the coroutine's end\n")
          != std::string::npos);
    step.kind = report::step_kind::callback;
    step.name.clear();
    step.task_id = 0;
    CHECK(log_text(step)
          == "Executing <callback created at src/main.cpp:20> took 0.150 seconds\n"
             "  ran: a callback, from its start to its end\n"
             "  created at: src/main.cpp:20 in main\n"
             "  threshold: 0.100 seconds, loop 2\n");
    step.kind = report::step_kind::io_poll;
    CHECK(log_text(step).find("  ran: handlers of other code in one poll of the loop's "
                              "io_context\n")
          != std::string::npos);
}

TEST_CASE("records can be read from another thread while the loop makes them", "[threads]") {
    slow_spotter spotter({.capacity = 50});
    std::atomic<bool> done{false};
    std::atomic<bool> seen{false};
    std::thread reader([&] {
        while (!done.load()) {
            const auto records = spotter.records();
            if (!records.empty()) { seen.store(true); }
            CHECK(records.size() <= 50);
        }
    });
    {
        virtual_loop v(with_threshold(0ns));
        spotter.attach_to(v.loop);
        while (!seen.load()) {
            v.loop.run_until_complete(yield_often(100));
        }
    }
    done.store(true);
    reader.join();
    CHECK(spotter.records().size() == 50);
    CHECK(spotter.log()->dropped() > 0);
}

TEST_CASE("the records outlive the loop and the spotter") {
    std::shared_ptr<const slow_log> log;
    {
        slow_spotter spotter;
        run_options options;
        options.prepare = [&spotter](loop& l) {
            l.set_slow_callback_duration(0ns);
            spotter.attach_to(l);
        };
        run(yield_often(3), options);
        log = spotter.log();
    }
    CHECK(log->records().size() >= 4);
}
