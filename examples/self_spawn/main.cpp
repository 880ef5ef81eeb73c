// SPDX-License-Identifier: Apache-2.0
// A program that starts itself once more and talks with its other half over a socket. See
// docs/examples.md.

#include "serving/command_line.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using coroscope::coro;
using coroscope::stream;

constexpr const char* footer = R"(Examples:
  self_spawn primary --port 0
      listens on any free port, starts `self_spawn secondary` with that port, and talks with it
  self_spawn primary --path /tmp/self_spawn
      the same over a Unix-domain socket

Both halves print what they hear. Exit status: 0 they have talked, 1 they could not, 2 wrong usage.)";

constexpr auto patience = std::chrono::seconds(10);
constexpr std::size_t longest_line = 1024;

struct settings {
    std::string host = "127.0.0.1";
    std::uint16_t port = 1234;
    std::string path;  ///< of a Unix-domain socket, instead of the two above
};

[[nodiscard]] coroscope::stream_options limits() {
    coroscope::stream_options options;
    options.read_limit = longest_line;
    return options;
}

/// One line, however many parts it comes in.
coro<std::string> hear(stream& from) {
    auto line = co_await coroscope::wait_for(from.read_line(), patience);
    if (line.empty() || line.back() != '\n') {
        throw std::runtime_error(from.remote_endpoint() + " hung up in the middle of a line, '"
                                 + line + "'");
    }
    line.pop_back();
    co_return line;
}

coro<> say(stream& to, std::string line) {
    to.write(line + '\n');
    co_await coroscope::wait_for(to.drain(), patience);
}

// --- The primary

coro<> greet(stream s) {
    std::cout << "Handler started" << std::endl;
    co_await say(s, "Hi there!");
    const auto answer = co_await hear(s);
    std::cout << answer << std::endl;
}

/// Listens from here on, so that whom it starts afterwards finds it.
coro<coroscope::server> listen(const settings& o) {
    coroscope::server_options options;
    options.stream = limits();
    if (!o.path.empty()) {
        co_return co_await coroscope::start_unix_server(greet, o.path, options);
    }
    co_return co_await coroscope::start_server(greet, o.host, o.port, options);
}

[[nodiscard]] coroscope::command secondary_for(const settings& o, const coroscope::server& server) {
    const std::string self("/proc/self/exe");
    if (!o.path.empty()) { return coroscope::command(self, "secondary", "--path", o.path); }
    return coroscope::command(self, "secondary", "--host", o.host, "--port",
                              std::to_string(server.port()));
}

coro<> be_primary(const settings& o) {
    auto server = co_await listen(o);
    std::cout << "self_spawn: listening on "
              << (o.path.empty() ? o.host + " port " + std::to_string(server.port()) : o.path)
              << std::endl;
    const auto program = secondary_for(o, server);
    auto child = co_await coroscope::create_subprocess_exec(program);
    const int code = co_await child.wait();
    server.close();
    co_await server.wait_closed();
    if (code != 0) {
        throw std::runtime_error("the secondary ended with return code " + std::to_string(code));
    }
}

// --- The secondary

coro<stream> connect(const settings& o) {
    if (!o.path.empty()) { co_return co_await coroscope::open_unix_connection(o.path, limits()); }
    co_return co_await coroscope::open_connection(o.host, o.port, limits());
}

coro<> be_secondary(const settings& o) {
    auto s = co_await connect(o);
    const auto greeting = co_await hear(s);
    std::cout << greeting << std::endl;
    co_await say(s, "Hi yourself!");
    s.close();
    co_await s.wait_closed();
}

void check_port(const settings& o) {
    if (!o.path.empty() || o.port != 0) { return; }
    throw CLI::ValidationError("--port", "0 is no port to connect to; give the primary's");
}

}  // namespace

int main(int argc, char** argv) {
    settings chosen;
    CLI::App app("Starts itself once more and talks with its other half over a socket.",
                 "self_spawn");
    app.footer(footer);
    auto* path = app.add_option("--path", chosen.path, "Unix-domain socket, instead of a port");
    app.add_option("--host", chosen.host, "address or name")->capture_default_str()->excludes(path);
    app.add_option("--port", chosen.port, "port; to the primary, 0 means any free one")
        ->capture_default_str()
        ->excludes(path);
    const auto* primary =
        app.add_subcommand("primary", "listens, starts the other half, greets it")->fallthrough();
    app.add_subcommand("secondary", "connects, and answers")->fallthrough()->callback([&chosen] {
        check_port(chosen);
    });
    app.require_subcommand(1);
    if (const auto code = serving::parse(app, argc, argv)) { return *code; }
    const auto rest = [&] {
        coroscope::run(primary->parsed() ? be_primary(chosen) : be_secondary(chosen));
    };
    return serving::report_errors("self_spawn", rest);
}
