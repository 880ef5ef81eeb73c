// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include "command_options.hpp"
#include "profile_commands.hpp"

#include <coroscope/profiler_server/inspector.hpp>
#include <coroscope/profiler_server/protocol/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <exception>
#include <ostream>

namespace coroscope::profiler_server::cli {

namespace {

using std::chrono::nanoseconds;

// Who is asked for tasks: a profiler server, unless told otherwise.
struct ps_source {
    std::uint64_t pid = 0;  // 0: none was given
    std::string core;
    std::string executable;
};

// A number alone is a process, which needs no profiler server.
CLI::Option* add_program(CLI::App& command, connection_options& options, ps_source& source) {
    const auto read = [&](const std::string& text) {
        if (text.find_first_not_of("0123456789") != std::string::npos) {
            read_address(text, options);
        } else {
            const auto parsed = std::from_chars(text.data(), text.data() + text.size(), source.pid);
            if (parsed.ec != std::errc{} || source.pid == 0) {
                throw CLI::ValidationError("PID", "'" + text + "' is not the number of a process");
            }
        }
    };
    return command.add_option_function<std::string>(
        "PID|ADDRESS", read,
        "number of a process, or HOST:PORT or :PORT of a program's profiler server");
}

CLI::App* add_ps(CLI::App& app, connection_options& connection, ps_source& source,
                 ps_options& options) {
    auto* command = app.add_subcommand("ps", "Tasks alive: what each waits on, since when, where");
    auto* program = add_program(*command, connection, source);
    add_connection(*command, connection, program);
    auto* core = command->add_option("--core", source.core, "read a core file instead")
                     ->type_name("FILE")
                     ->excludes(program);
    command
        ->add_option("--exe", source.executable,
                     "with --core: the program's file, where it is not where it ran")
        ->type_name("FILE")
        ->needs(core);
    command->add_flag("--stacks", options.stacks, "print the async stack of each task");
    add_count(*command, "--limit", "show at most so many; 1000 unless told", options.limit);
    command->add_flag("--json", options.json, "print JSON");
    return command;
}

CLI::App* add_time(CLI::App& app, connection_options& connection, bool& json) {
    auto* command = app.add_subcommand("time", "Profiled functions: calls, elapsed and busy time");
    add_connection(*command, connection, add_address(*command, connection));
    command->add_flag("--json", json, "print JSON");
    return command;
}

CLI::App* add_slow(CLI::App& app, connection_options& connection, slow_options& options) {
    auto* command = app.add_subcommand("slow", "Steps that blocked a loop for too long");
    add_connection(*command, connection, add_address(*command, connection));
    command->add_flag("--json", options.json, "print JSON; with --watch, one object a line");
    command->add_flag("--watch", options.watch, "follow: go on printing new ones");
    add_duration(*command, "--interval", "between questions of --watch; 1s unless told",
                 [&options](nanoseconds interval) { options.interval = interval; });
    return command;
}

CLI::App* add_gate(CLI::App& app, gate_options& options) {
    auto* command = app.add_subcommand(
        "gate",
        "Judge a report: exit 0 within the budget, 1 over it or with findings, 2 cannot be judged");
    command->add_option("REPORT", options.report, "the report that the program wrote")->required();
    add_count(*command, "--max-slow", "slow steps that are allowed; 0 unless told",
              options.max_slow);
    add_duration(*command, "--threshold",
                 "steps of at least this count; the report's own unless told",
                 [&options](nanoseconds threshold) { options.threshold = threshold; });
    auto* const baseline =
        command
            ->add_option("--baseline", options.baseline,
                         "a report of before: what was slow or found there does not count")
            ->type_name("FILE");
    command
        ->add_flag("--update-baseline", options.updates_baseline,
                   "make the report the baseline; exit 0 if it can be judged")
        ->needs(baseline);
    command->add_flag("--findings-only", options.findings_only,
                      "judge no slow steps, which need not have been recorded");
    command->add_flag("--predicted", options.counts_predicted,
                      "findings that nobody has seen happen count as well");
    command->add_flag("--json", options.json, "print JSON");
    return command;
}

int run_ps_of(const ps_source& source, const connection_options& connection,
              const ps_options& options, const surroundings& io) {
    if (!source.core.empty()) {
        return run_ps_of_core(source.core, source.executable, options, io);
    }
    if (source.pid == 0) { return run_ps(connection.client(), options, io); }
    try {
        return run_ps_of_process(source.pid, options, io);
    } catch (const inspection_error& error) {
        if (error.failure() != inspection_failure::no_process) { throw; }
        const auto number = std::to_string(source.pid);
        throw inspection_error(error.failure(), std::string(error.what())
                                                    + ". If you mean the port of a profiler "
                                                      "server, write :" + number);
    }
}

int parse_and_run(std::vector<std::string> arguments, const surroundings& io) {
    CLI::App app("Looks into programs that run on coroscope, and judges their reports.",
                 "coroscope");
    app.require_subcommand(1);
    app.set_version_flag("--version", "coroscope " + std::string(protocol::library_version()));
    connection_options connection;
    ps_options ps;
    ps_source source;
    slow_options slow;
    gate_options gate;
    bool json = false;
    const auto* ps_command = add_ps(app, connection, source, ps);
    const auto* time_command = add_time(app, connection, json);
    const auto* slow_command = add_slow(app, connection, slow);
    profile_commands profiles(app, connection);
    (void)add_gate(app, gate);

    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
        app.parse(arguments);
    } catch (const CLI::Success& help) {
        return app.exit(help, io.out, io.err);
    } catch (const CLI::ParseError& error) {
        io.err << "coroscope: " << error.what() << "\nrun coroscope --help for the commands, "
               << "coroscope COMMAND --help for their options\n";
        return unusable;
    }
    if (ps_command->parsed()) { return run_ps_of(source, connection, ps, io); }
    if (time_command->parsed()) { return run_time(connection.client(), json, io); }
    if (slow_command->parsed()) { return run_slow(connection.client(), slow, io); }
    if (const auto code = profiles.run(io)) { return *code; }
    return run_gate(gate, io);
}

}  // namespace

int run_command_line(std::vector<std::string> arguments, const surroundings& io) {
    try {
        return parse_and_run(std::move(arguments), io);
    } catch (const std::exception& error) {
        io.err << "coroscope: " << error.what() << '\n';
        return unusable;
    }
}

}  // namespace coroscope::profiler_server::cli
