// SPDX-License-Identifier: Apache-2.0
// Sends every datagram back to where it came from. See docs/examples.md.

#include "serving/command_line.hpp"
#include "serving/stop_signals.hpp"

#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/task.hpp>

#include <boost/system/system_error.hpp>
#include <CLI/CLI.hpp>

#include <cstdint>
#include <iostream>

namespace {

using coroscope::coro;

constexpr const char* footer = R"(Example:
  udp_echo --port 3553
      and then: nc -u 127.0.0.1 3553

The port is in the line on standard output. SIGINT or SIGTERM stops it, and a line on standard error
says how much there was. Exit status: 0 stopped, 1 it could not run, 2 wrong usage.)";

struct settings {
    std::string host = "127.0.0.1";
    std::uint16_t port = 3553;
};

struct totals {
    std::uint64_t datagrams = 0;
    std::uint64_t bytes = 0;
};

/// An empty datagram is one like any other: no end, no error.
coro<> echo(coroscope::datagram_endpoint& socket, totals& seen) {
    for (;;) {
        auto got = co_await socket.receive_from();
        ++seen.datagrams;
        seen.bytes += got.bytes.size();
        try {
            co_await socket.send_to(std::move(got.bytes), got.from);
        } catch (const boost::system::system_error& e) {  // that sender's trouble, not the others'
            std::cerr << "udp_echo: " << e.what() << std::endl;
        }
    }
}

coro<> serve(const settings& o) {
    serving::stop_signals signals;
    auto socket = co_await coroscope::open_datagram_endpoint(o.host, o.port);
    std::cout << "udp_echo: listening on " << o.host << " port " << socket.port() << std::endl;
    totals seen;
    auto echoing = coroscope::get_running_loop().create_task(echo(socket, seen), "echo");
    const auto stop_at = [](coroscope::event& when, coroscope::task<> what) -> coro<> {
        co_await when.wait();
        what.cancel();
    };
    auto stopping =
        coroscope::get_running_loop().create_task(stop_at(signals.first(), echoing), "stop");
    try {
        co_await echoing;
    } catch (const coroscope::cancelled_error&) {
        if (!signals.first().is_set()) { throw; }
    }
    std::cerr << "udp_echo: " << seen.datagrams << " datagrams, " << seen.bytes << " bytes\n";
}

}  // namespace

int main(int argc, char** argv) {
    settings chosen;
    CLI::App app("Sends every datagram back to where it came from.", "udp_echo");
    app.footer(footer);
    app.add_option("--host", chosen.host, "address or name to bind to")->capture_default_str();
    app.add_option("--port", chosen.port, "port to bind to; 0 takes any free one")
        ->capture_default_str();
    if (const auto code = serving::parse(app, argc, argv)) { return *code; }
    const auto rest = [&chosen] {
        coroscope::run_options options;
        options.handle_sigint = false;  // `serve` does, and SIGTERM as well
        coroscope::run(serve(chosen), std::move(options));
    };
    return serving::report_errors("udp_echo", rest);
}
