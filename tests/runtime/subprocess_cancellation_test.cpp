// SPDX-License-Identifier: Apache-2.0
// Everything that waits for a child process, cancelled at each of its suspension points in turn:
// nothing that the child wrote may be lost, and no child left, dead or alive.
#include <coroscope/runtime/subprocess_protocol.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/cancellation_sweep.hpp"
#include "runtime/subprocess_pair.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace cancellation_sweep;
using namespace subprocess_pair;

namespace {

constexpr std::size_t much = 200'000;  // more than the pipes hold

/// Starts a child that outlives its input, has it echo a line, and kills it.
coro<std::string> talk_with_child(coroscope::child_watching how) {
    auto options = all_pipes();
    options.watching = how;
    auto child = co_await start_shell("read line; echo \"$line\"; exec sleep 600", options);
    child.input().write("hello\n");
    co_await child.input().drain();
    auto line = co_await child.output().read_line();
    child.input().close();
    co_await child.input().wait_closed();
    child.kill();
    co_await child.wait();
    co_return line;
}

void sweep_talk(coroscope::child_watching how) {
    const auto scenario = [how](std::uint64_t n, bool& at_end) {
        const auto talk = [](coroscope::child_watching w, std::uint64_t steps,
                             bool& ends) -> coro<> {
            auto talking = coroscope::get_running_loop().create_task(talk_with_child(w));
            const bool was_cancelled = co_await cancel_after(talking, steps);
            if (!was_cancelled) { CHECK(talking.result() == "hello\n"); }
            ends = !was_cancelled;
        };
        return talk(how, n, at_end);
    };
    CHECK(sweep(scenario) > 3);
}

/// Notes what it is told of, in order, as in subprocess_protocol_test.cpp.
class noting final : public coroscope::subprocess_protocol {
public:
    void connection_made(coroscope::subprocess_transport t) override {
        log += 'm';
        t.write("hello");
        t.write_eof();
    }
    void pipe_data_received(int, std::string_view bytes) override { received += bytes; }
    void pipe_connection_lost(int stream, std::exception_ptr) override {
        log += std::to_string(stream);
    }
    void process_exited() override { log += 'x'; }
    void connection_lost(std::exception_ptr) override { log += 'l'; }
    [[nodiscard]] bool is_over() const { return !log.empty() && log.back() == 'l'; }
    std::string log;
    std::string received;
};

/// The task that serves a protocol's child.
[[nodiscard]] std::optional<coroscope::any_task> attending_task() {
    for (const auto& each : coroscope::all_tasks(coroscope::get_running_loop())) {
        if (each.name().starts_with("child process")) { return each; }
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("a conversation with a child, cancelled at each of its steps, leaves no child", "[io]") {
    sweep_talk(coroscope::child_watching::descriptor);
}

TEST_CASE("nor does one whose end a thread waits for", "[io][threads]") {
    sweep_talk(coroscope::child_watching::thread);
}

TEST_CASE("communicate, cancelled at each pass, gives everything when it is called again", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto both = co_await start_shell("tee /dev/stderr");
        const std::string text(much, 'x');
        auto talking = loop.create_task(both.communicate(text));
        const bool was_cancelled = co_await cancel_in_pass(talking, n);
        // Before its first step it has not taken the input.
        const auto rest = n == 0 ? text : std::string();
        if (was_cancelled) { talking = loop.create_task(both.communicate(rest)); }
        const auto got = co_await std::move(talking);
        CHECK((got.output == text));
        CHECK((got.error == text));
        CHECK(both.returncode() == 0);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 3);
}

TEST_CASE("wait, cancelled at each of its steps, leaves the return code to others", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto child = co_await start_shell("read line; exit 7");
        auto waiting = loop.create_task(child.wait());
        auto beside = loop.create_task(child.wait());
        const auto end_later = [](coroscope::stream& input) -> coro<> {
            co_await stream_pair::let_others_run();
            input.close();
        };
        auto ending = loop.create_task(end_later(child.input()));
        const bool was_cancelled = co_await cancel_after(waiting, n);
        const int code = co_await beside;
        const int again = co_await child.wait();
        CHECK(code == 7);
        CHECK(again == 7);
        if (!was_cancelled) { CHECK(waiting.result() == 7); }
        co_await ending;
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("reading what a child writes, cancelled at each of its steps, loses none of it", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto child = co_await start_shell("for i in 1 2 3 4 5; do read w; echo \"$i $w\"; done");
        const auto read_some = [](coroscope::stream& from, std::string& into) -> coro<> {
            for (int i = 0; i < 4; ++i) {
                const auto line = co_await from.read_line();
                into += line;
            }
        };
        const auto write_slowly = [](coroscope::stream& to) -> coro<> {
            for (int i = 0; i < 5; ++i) {
                to.write("word\n");
                co_await stream_pair::let_others_run();
            }
        };
        std::string first;
        auto reading = loop.create_task(read_some(child.output(), first));
        auto writing = loop.create_task(write_slowly(child.input()));
        const bool was_cancelled = co_await cancel_after(reading, n);
        co_await writing;
        const auto rest = co_await child.communicate();
        CHECK(first + rest.output == "1 word\n2 word\n3 word\n4 word\n5 word\n");
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("draining into a child, cancelled at each of its steps, drops and doubles nothing",
          "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        auto options = all_pipes();
        options.error = redirect::inherit();
        auto child = co_await start_program(command("cat"), options);
        const auto send_all = [](coroscope::stream& to, std::string& sent) -> coro<> {
            for (const char each : {'a', 'b', 'c', 'd'}) {
                const std::string part(much / 2, each);
                to.write(part);
                sent += part;
                co_await to.drain();
            }
        };
        std::string sent;
        auto sending = loop.create_task(send_all(child.input(), sent));
        auto reading = loop.create_task(child.output().read_all());
        const bool was_cancelled = co_await cancel_after(sending, n);
        child.input().close();
        const auto got = co_await std::move(reading);
        CHECK((got == sent));
        const int code = co_await child.wait();
        CHECK(code == 0);
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 2);
}

TEST_CASE("starting a child for a protocol, cancelled at each step, is all or nothing", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        auto& loop = coroscope::get_running_loop();
        const auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        auto starting = loop.create_task(coroscope::subprocess_exec(give, command("cat")));
        const bool was_cancelled = co_await cancel_after(starting, n);
        const auto is_over = [&protocol] {
            return protocol->is_over();
        };
        if (was_cancelled) {
            CHECK(protocol->log.empty());
        } else {
            const bool over = co_await comes_true(is_over);
            CHECK(over);
            CHECK(protocol->received == "hello");
        }
        at_end = !was_cancelled;
    };
    CHECK(sweep(scenario) > 1);
}

TEST_CASE("a protocol whose task is cancelled at each pass is told of the end once", "[io]") {
    const auto scenario = [](std::uint64_t n, bool& at_end) -> coro<> {
        const auto protocol = std::make_shared<noting>();
        const auto give = [protocol] {
            return protocol;
        };
        auto made = co_await coroscope::subprocess_exec(give, command("cat"));
        auto attending = attending_task();
        REQUIRE(attending.has_value());
        const busy_passes seen;
        while (!attending->done() && seen.count < n) {
            co_await coroscope::yield_now();
        }
        at_end = attending->done();
        if (!at_end) { attending->cancel(); }
        const auto is_over = [&protocol] {
            return protocol->is_over();
        };
        const bool over = co_await comes_true(is_over);
        CHECK(over);
        for (const char each : {'0', '1', '2', 'x', 'l'}) {
            CHECK(std::count(protocol->log.begin(), protocol->log.end(), each) <= 1);
        }
        CHECK(made.protocol == protocol);
    };
    CHECK(sweep(scenario) > 2);
}
