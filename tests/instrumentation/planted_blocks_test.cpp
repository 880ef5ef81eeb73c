// SPDX-License-Identifier: Apache-2.0
// Ports of programs with a planted fault: those that block their loop, or use it from another
// thread. Each triggers the finding that names its fault and no other; its corrected twin none.
//
// What the stall watchdog sees of a thread that waits in the kernel is put in by hand here: no call
// of these ports really waits, so that no test depends on time.

#include <coroscope/instrumentation/slow.hpp>

#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/pipe.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/threads.hpp>

#include "instrumentation/linted_loop.hpp"
#include "runtime/protocol_pair.hpp"
#include "support/catch.hpp"

#include <array>
#include <future>
#include <string>
#include <thread>

#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// The system call that the loop's thread was seen in during its present step.
thread_local const char* seen_in = "";

/// Each step's record goes to the lints, with that call. It is the loop's thread only that counts.
struct watchdog_stand_in {
    explicit watchdog_stand_in(linted_loop& w) : spotter(options_for(w)) {
        spotter.attach_to(w.loop);
    }
    static slow_spotter_options options_for(linted_loop& w) {
        slow_spotter_options options;
        options.threshold = 0ns;
        options.handler = [&w](report::slow_step step) {
            auto& cause = step.cause.emplace();
            cause.system_call = std::exchange(seen_in, "");
            if (!cause.system_call.empty()) { cause.verdict = report::step_verdict::blocked; }
            w.lints.note_slow_step(step);
        };
        return options;
    }
    slow_spotter spotter;
};

/// Two ends of a pipe, with this in it.
struct filled_pipe {
    explicit filled_pipe(const std::string& text) {
        REQUIRE(::pipe(ends.data()) == 0);
        REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        ::close(ends[1]);
    }
    ~filled_pipe() {
        if (ends[0] >= 0) { ::close(ends[0]); }
    }
    filled_pipe(const filled_pipe&) = delete;
    filled_pipe& operator=(const filled_pipe&) = delete;
    std::array<int, 2> ends{-1, -1};
};

/// A menu's next choice, from standard input: waits in `read`. 0 at the end.
char read_choice(int input) {
    seen_in = "read";
    char choice = 0;
    return ::read(input, &choice, 1) == 1 ? choice : '\0';
}

coro<std::string> choose_on_loop(int input) {
    std::string states;
    for (;;) {
        co_await yield_now();
        const char choice = read_choice(input);
        if (choice == '3' || choice == '\0') { co_return states; }
        states += choice == '0' ? "started;" : choice == '1' ? "paused;" : "idle;";
    }
}

coro<std::string> choose_in_thread(int input) {
    std::string states;
    for (;;) {
        const auto next = [input] {
            return read_choice(input);
        };
        const char choice = co_await to_thread(next);
        if (choice == '3' || choice == '\0') { co_return states; }
        states += choice == '0' ? "started;" : choice == '1' ? "paused;" : "idle;";
    }
}

/// What the pool of the command server makes of a command.
int execute(int n) {
    return n + 1;
}

coro<int> execute_and_block(int n) {
    co_await yield_now();
    std::promise<int> executed;
    std::thread worker([&] { executed.set_value(execute(n)); });
    worker.join();
    seen_in = "futex";
    co_return executed.get_future().get();
}

coro<int> execute_and_await(int n) {
    const auto job = [n] {
        return execute(n);
    };
    const int result = co_await to_thread(job);
    co_return result;
}

/// A WSGI application; it asks a slow database.
std::string hello() {
    seen_in = "clock_nanosleep";
    return "Hello WSGI";
}

coro<std::string> serve_on_loop() {
    co_await yield_now();
    co_return hello();
}

coro<std::string> serve_in_thread() {
    auto body = co_await to_thread(hello);
    co_return body;
}

/// Polls for a response under a lock once a second, in a thread's manner.
struct responses {
    std::mutex lock;
    int polls = 0;
    std::string found;
};

coro<std::string> check_on_loop(responses& from, int timeout) {
    co_await yield_now();
    for (; timeout > 0; --timeout) {
        {
            const std::scoped_lock held(from.lock);
            if (++from.polls == 4) { from.found = "bits"; }
            if (!from.found.empty()) { co_return from.found; }
        }
        seen_in = "clock_nanosleep";
    }
    co_return "";
}

coro<> fetch(future<std::string> to) {
    co_await sleep_for(4s);
    to.set_result("bits");
}

coro<std::string> check_by_future() {
    auto& l = get_running_loop();
    auto response = l.create_future<std::string>();
    auto fetching = l.create_task(fetch(response));
    auto found = co_await std::move(response);
    co_await fetching;
    co_return found;
}

/// Answers a command by the thread that has executed it.
coro<std::string> answer_from_thread(bool hands_over) {
    auto both = co_await protocol_pair::talk();
    auto* const l = &get_running_loop();
    const auto write = [connection = both.connection] {
        connection->write("42");
    };
    const auto job = [l, write, hands_over] {
        if (hands_over) {
            l->call_soon_threadsafe(write);
            return;
        }
        try {
            write();
        } catch (const std::logic_error&) {  // as debug mode has it
            l->call_soon_threadsafe(write);
        }
    };
    co_await to_thread(job);
    auto answer = co_await both.peer.read_exactly(2);
    both.connection->close();
    co_await protocol_pair::until_lost(both.protocol);
    co_return answer;
}

loop_options debug_mode() {
    loop_options options;
    options.debug = true;
    return options;
}

}  // namespace

TEST_CASE("planted: a state machine that reads its input on the loop") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    const filled_pipe input("0123");
    CHECK(w.loop.run_until_complete(choose_on_loop(input.ends[0])) == "started;paused;idle;");
    REQUIRE(w.rules() == rule_list{"blocking-call"});
    const auto found = w.lints.findings()[0];
    CHECK(found.where.function.ends_with("choose_on_loop"));
    CHECK(found.message.find(" reads from a blocking descriptor on the loop's thread, in read, ")
          != std::string::npos);
}

TEST_CASE("planted, corrected: a state machine that reads its input in a thread", "[threads]") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    const filled_pipe input("0123");
    CHECK(w.loop.run_until_complete(choose_in_thread(input.ends[0])) == "started;paused;idle;");
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a command server that waits for its pool on the loop", "[threads]") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    CHECK(w.loop.run_until_complete(execute_and_block(41)) == 42);
    REQUIRE(w.rules() == rule_list{"blocking-call"});
    CHECK(w.lints.findings()[0].message.find("waits for another thread") != std::string::npos);
}

TEST_CASE("planted, corrected: a command server that awaits its pool", "[threads]") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    CHECK(w.loop.run_until_complete(execute_and_await(41)) == 42);
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a WSGI application that runs on the loop") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    CHECK(w.loop.run_until_complete(serve_on_loop()) == "Hello WSGI");
    REQUIRE(w.rules() == rule_list{"blocking-call"});
    CHECK(w.lints.findings()[0].where.function.ends_with("serve_on_loop"));
}

TEST_CASE("planted, corrected: a WSGI application that runs in a thread", "[threads]") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    CHECK(w.loop.run_until_complete(serve_in_thread()) == "Hello WSGI");
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a checker that polls as a thread does") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    responses from;
    CHECK(w.loop.run_until_complete(check_on_loop(from, 30)) == "bits");
    REQUIRE(w.rules() == rule_list{"blocking-call"});
    CHECK(w.lints.findings()[0].message.find(" sleeps on the loop's thread") != std::string::npos);
}

TEST_CASE("planted, corrected: a checker that awaits a future") {
    linted_loop w;
    const watchdog_stand_in watchdog(w);
    CHECK(w.loop.run_until_complete(check_by_future()) == "bits");
    CHECK(w.rules().empty());
}

TEST_CASE("planted: a transport that the pool's thread writes to", "[threads]") {
    linted_loop w({}, debug_mode());
    CHECK(w.loop.run_until_complete(answer_from_thread(false)) == "42");
    REQUIRE(w.rules() == rule_list{"wrong-thread"});
    CHECK(w.lints.findings()[0].message.starts_with("transport::write was called from thread "));
}

TEST_CASE("planted, corrected: a transport that is written to through the loop", "[threads]") {
    linted_loop w({}, debug_mode());
    CHECK(w.loop.run_until_complete(answer_from_thread(true)) == "42");
    CHECK(w.rules().empty());
}
