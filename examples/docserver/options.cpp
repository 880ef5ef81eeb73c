// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "serving/command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>
#include <map>

namespace docserver {
namespace {

using serving::add_duration;

constexpr const char* examples = R"(Examples:
  docserver
      serves /usr/share/doc on http://127.0.0.1:8080
  docserver --root ~/site --host 0.0.0.0 --port 80 --max-connections 5000
  docserver --endpoint 7070 --report run.json
      and then: coroscope ps :7070; coroscope slow 7070; after SIGINT:
      coroscope gate --max-slow 0 --threshold 5ms run.json
  docserver --offload
      compresses in a background thread, so that the loop never waits for zlib

SIGINT or SIGTERM stops it: requests in flight are finished, at most for --grace; a second one
cuts them off. Exit status: 0 stopped, 1 it could not run, 2 wrong usage.)";

void add_serving(CLI::App& app, options& o) {
    app.add_option("--root", o.root, "the directory tree to serve")
        ->check(CLI::ExistingDirectory)
        ->capture_default_str();
    app.add_option("--host", o.host, "address or name to listen on")->capture_default_str();
    app.add_option("--port", o.port, "port to listen on; 0 takes any free one")
        ->capture_default_str();
    app.add_option("--max-connections", o.max_connections, "more are told to try later (503)")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    add_duration(app, "--keep-alive-timeout", "how long a connection may be idle",
                 o.keep_alive_timeout);
    add_duration(app, "--request-timeout", "from a request's first byte to its last (408)",
                 o.request_timeout);
    add_duration(app, "--write-timeout", "how long a client may not take what is sent to it",
                 o.write_timeout);
    add_duration(app, "--grace", "how long requests in flight may go on when stopping", o.grace);
}

void add_compression(CLI::App& app, options& o) {
    app.add_flag("--offload", o.offload, "compress in background threads instead of on the loop");
    app.add_option("--offload-threads", o.offload_threads, "how many of them")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--gzip-level", o.gzip_level, "0 (store) to 9 (smallest)")
        ->check(CLI::Range(0, 9))
        ->capture_default_str();
    app.add_option("--min-size", o.min_size, "smaller files are not compressed, in bytes")
        ->capture_default_str();
    app.add_option("--max-size", o.max_size, "larger files are not compressed, in bytes")
        ->capture_default_str();
}

void add_diagnostics(CLI::App& app, options& o) {
    app.add_option("--endpoint", o.endpoint,
                   "port of the profiler endpoint on 127.0.0.1; 0 takes any free one");
    add_duration(app, "--slow", "steps of the loop that take at least this are recorded", o.slow);
    app.add_option("--report", o.report, "write a report there at the end")->type_name("FILE");
    const std::map<std::string, log_level> levels = {{"error", log_level::error},
                                                     {"warning", log_level::warning},
                                                     {"info", log_level::info},
                                                     {"debug", log_level::debug}};
    auto* level = app.add_option("--log-level", o.level,
                                 "error, warning, info (with an access log) or debug; default info")
                      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case).description(""))
                      ->type_name("LEVEL");
    app.add_flag_callback(
           "--quiet", [&o] { o.level = log_level::error; }, "the same as --log-level error")
        ->excludes(level);
}

}  // namespace

std::variant<options, int> parse_options(std::vector<std::string> arguments, std::ostream& out,
                                         std::ostream& err) {
    options o;
    CLI::App app("Serves a directory tree over HTTP/1.1, with gzip compression.", "docserver");
    app.footer(examples);
    app.set_version_flag("--version", "docserver " DOCSERVER_VERSION);
    add_serving(app, o);
    add_compression(app, o);
    add_diagnostics(app, o);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& e) {
        const bool asked_for = e.get_exit_code() == 0;
        app.exit(e, out, err);
        return asked_for ? 0 : 2;
    }
    return o;
}

}  // namespace docserver
