// SPDX-License-Identifier: Apache-2.0
// A chat over TCP, a line a message. See docs/examples.md.

#include "serving/command_line.hpp"
#include "serving/finish.hpp"
#include "session.hpp"

#include <coroscope/runtime/run.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>

namespace {

using coroscope::coro;

constexpr const char* footer = R"(Example:
  chat_server --port 5555
      and then, in two terminals: nc 127.0.0.1 5555

The port is in the line on standard output. SIGINT or SIGTERM stops it: everybody is told goodbye. A
second one cuts off those who do not take that. Exit status: 0 stopped, 1 it could not run, 2 wrong
usage.)";

struct settings {
    std::string host = "127.0.0.1";
    std::uint16_t port = 5555;
    std::size_t longest_line = 1000;
    std::chrono::nanoseconds farewell_time = std::chrono::seconds(2);
    chat_server::chat_limits limits;
};

void add_options(CLI::App& app, settings& o) {
    app.add_option("--host", o.host, "address or name to listen on")->capture_default_str();
    app.add_option("--port", o.port, "port to listen on; 0 takes any free one")
        ->capture_default_str();
    app.add_option("--max-members", o.limits.members, "more are told to try later")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--waiting-lines", o.limits.waiting_lines,
                   "lines that may wait for one member; who lets more pile up is dropped")
        ->check(CLI::Range(3, 1'000'000))
        ->capture_default_str();
    app.add_option("--longest-line", o.longest_line, "bytes; who types a longer one is dropped")
        ->check(CLI::Range(100, 1'000'000))
        ->capture_default_str();
    serving::add_duration(app, "--farewell-time", "how long a member may take to read the rest",
                          o.farewell_time);
}

coro<> serve(const settings& o) {
    chat_server::chat all(o.limits);
    const auto handler = [&all, &o](coroscope::stream connection) {
        return chat_server::serve_member(all, std::move(connection), o.farewell_time);
    };
    coroscope::server_options options;
    options.stream.read_limit = o.longest_line;
    serving::stop_signals signals;
    auto server = co_await coroscope::start_server(handler, o.host, o.port, options);
    std::cout << "chat_server: listening on " << o.host << " port " << server.port() << std::endl;
    co_await signals.first().wait();
    server.close();
    all.end_all("* the server is stopping; goodbye");
    static_cast<void>(co_await serving::finish(server, signals, o.farewell_time * 2));
}

}  // namespace

int main(int argc, char** argv) {
    settings chosen;
    CLI::App app("A chat: whoever connects reads what the others in the room type.", "chat_server");
    app.footer(footer);
    add_options(app, chosen);
    if (const auto code = serving::parse(app, argc, argv)) { return *code; }
    const auto rest = [&chosen] {
        coroscope::run_options options;
        options.handle_sigint = false;  // `serve` does, and SIGTERM as well
        coroscope::run(serve(chosen), std::move(options));
    };
    return serving::report_errors("chat_server", rest);
}
