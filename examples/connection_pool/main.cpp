// SPDX-License-Identifier: Apache-2.0
// Sends messages through a few connections to an echo server. See docs/examples.md.

#include "connection_pool.hpp"
#include "serving/command_line.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/task_group.hpp>

#include <boost/system/system_error.hpp>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>

namespace {

using coroscope::coro;
using coroscope::stream;
using pool_of_streams = connection_pool<stream>;

constexpr const char* footer = R"(Example:
  socat TCP-LISTEN:9527,fork,reuseaddr EXEC:cat
      and then: connection_pool --port 9527 --messages 100

Prints a line for each echo, in the order in which they come, and on standard error how many
connections were made. Exit status: 0 all came back, 1 something went wrong, 2 wrong usage.)";

struct settings {
    std::string host = "127.0.0.1";
    std::uint16_t port = 9527;
    std::size_t max_conn = 3;
    std::size_t messages = 5;
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);
};

coro<std::string> exchange(stream& s, std::string line) {
    s.write(line);
    co_await s.drain();
    co_return co_await s.read_until("\n");
}

/// The second try is for a connection that the other side has closed since it was used last.
coro<std::string> echo(pool_of_streams& pool, const settings& o, std::string line) {
    try {
        co_return co_await coroscope::wait_for(pool.use(exchange, line), o.timeout);
    } catch (const coroscope::incomplete_read_error&) {  // NOLINT(bugprone-empty-catch)
    } catch (const boost::system::system_error&) {       // NOLINT(bugprone-empty-catch)
    }
    co_return co_await coroscope::wait_for(pool.use_new(exchange, line), o.timeout);
}

coro<> send_one(pool_of_streams& pool, const settings& o, std::size_t number) {
    const auto answer = co_await echo(pool, o, "coro_" + std::to_string(number) + '\n');
    std::cout << "echo: " << answer;
}

coro<> send_all(coroscope::task_group& group, pool_of_streams& pool, const settings& o) {
    for (std::size_t i = 0; i < o.messages; ++i) {
        group.create_task(send_one(pool, o, i));
    }
    co_return;
}

coro<> use_pool(const settings& o) {
    const auto connect = [&o] {
        return coroscope::open_connection(o.host, o.port);
    };
    pool_of_streams pool(o.max_conn, connect);
    coroscope::task_group group;
    co_await group.run(send_all(group, pool, o));
    co_await pool.close();
    std::cerr << "connection_pool: " << pool.made() << " connections made\n";
}

/// The first failure stands for all.
coro<> run_and_explain(const settings& o) {
    std::exception_ptr first;
    try {
        co_await use_pool(o);
    } catch (const coroscope::exception_group& group) { first = group.exceptions().front(); }
    if (first) { std::rethrow_exception(first); }
}

}  // namespace

int main(int argc, char** argv) {
    settings chosen;
    CLI::App app("Sends messages through a pool of connections to an echo server.",
                 "connection_pool");
    app.footer(footer);
    app.add_option("--host", chosen.host, "of the echo server")->capture_default_str();
    app.add_option("--port", chosen.port, "of the echo server")->capture_default_str();
    app.add_option("--max-connections", chosen.max_conn, "at a time")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--messages", chosen.messages, "how many, all at once")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    serving::add_duration(app, "--timeout", "how long one try may take, waiting included",
                          chosen.timeout);
    if (const auto code = serving::parse(app, argc, argv)) { return *code; }
    const auto rest = [&chosen] {
        coroscope::run(run_and_explain(chosen));
    };
    return serving::report_errors("connection_pool", rest);
}
