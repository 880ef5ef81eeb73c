// SPDX-License-Identifier: Apache-2.0
// Calls a method of a service through an MQTT broker. See docs/examples.md.

#include "roles.hpp"
#include "serving/command_line.hpp"
#include "serving/stop_signals.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/wait.hpp>

#include <CLI/CLI.hpp>

#include <map>
#include <stdexcept>
#include <string>

namespace {

using coroscope::coro;
using mqtt_rpc::role;
using mqtt_rpc::settings;

constexpr const char* footer = R"(Example:
  mosquitto -p 1883
      and then: mqtt_rpc --port 1883

A service offers TestService.remote_function, a registrar knows which methods there are, and a client
waits until this one is registered, then calls it. Each has a connection of its own, in one process or
in three (start the registrar first). Standard output has what the method says and its result.
SIGINT or SIGTERM stops a registrar and a service. Exit status: 0 done, 1 something went wrong, 2
wrong usage.)";

coro<> until(coroscope::event& happens) {
    co_await happens.wait();
}

/// Plays until the end, or until a signal.
coro<> play_until_stopped(const settings& chosen) {
    serving::stop_signals signals;
    auto& loop = coroscope::get_running_loop();
    auto playing = loop.create_task(mqtt_rpc::play(chosen), "play");
    auto signalled = loop.create_task(until(signals.first()), "wait for a signal");
    co_await coroscope::wait(coroscope::return_when::first_completed, playing, signalled);
    playing.cancel();
    signalled.cancel();
    co_await coroscope::wait(playing, signalled);
    if (!playing.cancelled()) {
        playing.result();
        co_return;
    }
    if (chosen.plays == role::client || chosen.plays == role::all) {
        throw std::runtime_error("stopped before there was a result");
    }
}

}  // namespace

int main(int argc, char** argv) {
    settings chosen;
    CLI::App app("Calls a method of a service through an MQTT broker.", "mqtt_rpc");
    app.footer(footer);
    app.add_option("--host", chosen.host, "of the broker")->capture_default_str();
    app.add_option("--port", chosen.port, "of the broker")
        ->check(CLI::Range(1, 65535))
        ->capture_default_str();
    const std::map<std::string, role> roles{{"all", role::all},
                                            {"registrar", role::registrar},
                                            {"service", role::service},
                                            {"client", role::client}};
    app.add_option("--role", chosen.plays, "what to be: all, registrar, service or client")
        ->transform(CLI::CheckedTransformer(roles, CLI::ignore_case).description(""))
        ->default_str("all");
    serving::add_duration(app, "--register-after", "when the service registers its method",
                          chosen.register_after);
    serving::add_duration(app, "--timeout", "how long to wait for the broker and for each reply",
                          chosen.timeout);
    if (const auto code = serving::parse(app, argc, argv)) { return *code; }
    const auto rest = [&chosen] {
        coroscope::run_options options;
        options.handle_sigint = false;  // `play_until_stopped` does, and SIGTERM as well
        coroscope::run(play_until_stopped(chosen), std::move(options));
    };
    return serving::report_errors("mqtt_rpc", rest);
}
