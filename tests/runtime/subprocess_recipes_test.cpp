// SPDX-License-Identifier: Apache-2.0
// Recipes of chapters 2 and 6: a command's output, the end of a subprocess, two processes that
// talk.
#include <coroscope/runtime/subprocess.hpp>

#include <coroscope/runtime/combine.hpp>

#include "runtime/subprocess_pair.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <optional>

using namespace subprocess_pair;

namespace {

struct command_result {
    std::optional<std::string> output;
    std::optional<std::string> error;
    int code = 0;
};

/// `invoke_command_async`: nothing for an empty stream.
coro<command_result> invoke_command(std::string command) {
    auto p = co_await start_shell(std::move(command));
    auto captured = co_await p.communicate();
    command_result result;
    if (!captured.output.empty()) { result.output = std::move(captured.output); }
    if (!captured.error.empty()) { result.error = std::move(captured.error); }
    result.code = p.returncode().value();
    co_return result;
}

}  // namespace

TEST_CASE("recipe: spawning a subprocess gives output, error and code", "[io]") {
    coroscope::run([]() -> coro<> {
        const auto greeting = co_await invoke_command("echo hello");
        CHECK(greeting.output == "hello\n");
        CHECK_FALSE(greeting.error.has_value());
        CHECK(greeting.code == 0);
        const auto failure = co_await invoke_command("echo oh >&2; exit 2");
        CHECK_FALSE(failure.output.has_value());
        CHECK(failure.error == "oh\n");
        CHECK(failure.code == 2);
    }());
}

TEST_CASE("recipe: the end of a subprocess stops the loop", "[io]") {
    coroscope::loop loop;
    auto stop_at_end = [](coroscope::loop& l, int& code) -> coro<> {
        auto p = co_await start_shell("exit 5");
        code = co_await p.wait();
        l.stop();
    };
    int code = 0;
    auto t = loop.create_task(stop_at_end(loop, code));
    loop.run_forever();
    CHECK(code == 5);
    CHECK(t.done());
}

// Primary and secondary: the shell plays the secondary, since it can talk over its standard streams
// only; over sockets the primary is `start_unix_server`, which has tests of its own.
TEST_CASE("recipe: a primary and its secondary greet each other", "[io]") {
    coroscope::run([]() -> coro<> {
        auto secondary =
            co_await start_shell("read line; echo \"got: $line\" >&2; echo 'Hi yourself!'");
        secondary.input().write("Hi there!\n");
        co_await secondary.input().drain();
        const auto answer = co_await secondary.output().read_line();
        CHECK(answer == "Hi yourself!\n");
        const auto rest = co_await secondary.communicate();
        CHECK(rest.error == "got: Hi there!\n");
        CHECK(secondary.returncode() == 0);
    }());
}
