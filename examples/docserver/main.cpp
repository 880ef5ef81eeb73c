// SPDX-License-Identifier: Apache-2.0
// An HTTP server for a directory tree, instrumented. See docs/docserver.md.

#include <coroscope/instrumentation/run_report.hpp>
#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/profiler_server/live_facts.hpp>
#include <coroscope/profiler_server/server.hpp>
#include <coroscope/report/report.hpp>
#include <coroscope/runtime/run.hpp>

#include "service.hpp"

#include <exception>
#include <iostream>
#include <limits>
#include <optional>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

using namespace docserver;
namespace instrumentation = coroscope::instrumentation;
namespace profiler_server = coroscope::profiler_server;

std::optional<profiler_server::profiler_server> start_endpoint(
    const options& o, const instrumentation::slow_spotter& spotter, const site& content) {
    if (!o.endpoint) { return std::nullopt; }
    profiler_server::endpoint where;
    where.port = *o.endpoint;
    profiler_server::server_options settings;
    settings.program = "docserver";
    return profiler_server::start_profiler_server(
        profiler_server::facts_about(spotter, content.profiler), where, settings);
}

/// Keeps freed memory for the next request. Giving it back to the system makes a thread wait for
/// all others that get or touch new memory at that moment, so one that compresses, and happens not
/// to be running, would stop the loop for milliseconds. Large blocks, which only the background
/// threads use, still come and go.
void keep_freed_memory() {
#ifdef __GLIBC__
    ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    ::mallopt(M_ARENA_MAX, 1);  // others than the first give back whatever they can
#endif
}

/// The one line on standard output; scripts read the ports from it.
void announce(const options& o, std::uint16_t port,
              const std::optional<profiler_server::profiler_server>& endpoint) {
    const bool is_v6 = o.host.find(':') != std::string::npos;
    const auto host = o.host.empty() ? "localhost" : is_v6 ? "[" + o.host + "]" : o.host;
    std::cout << "docserver: listening on http://" << host << ':' << port;
    if (endpoint) {
        std::cout << " (profiler endpoint " << endpoint->host() << ':' << endpoint->port() << ')';
    }
    std::cout << std::endl;
}

void serve_and_report(const options& o) {
    site content(o);
    const log logger(o.level);
    instrumentation::slow_spotter_options watch;
    watch.threshold = o.slow;
    watch.log = o.level == log_level::debug;
    instrumentation::slow_spotter spotter(watch);
    instrumentation::run_report report("docserver");
    report.add(spotter).add(content.profiler);
    const auto endpoint = start_endpoint(o, spotter, content);

    service s{content, logger, {}};
    coroscope::run_options settings;
    settings.handle_sigint = false;  // `serve` does, and SIGTERM as well
    settings.prepare = [&spotter](coroscope::loop& l) {
        spotter.attach_to(l);
    };
    auto ready = [&](std::uint16_t port) {
        announce(o, port, endpoint);
    };
    coroscope::run(serve(s, ready), std::move(settings));

    if (!o.report.empty()) {
        coroscope::report::write_report(report.make(), o.report);
        logger.write(log_level::info, "wrote " + o.report.string());
    }
}

}  // namespace

int main(int argc, char* argv[]) {
    const auto parsed = parse_options({argv + 1, argv + argc}, std::cout, std::cerr);
    if (const auto* code = std::get_if<int>(&parsed)) { return *code; }
    keep_freed_memory();
    try {
        serve_and_report(std::get<options>(parsed));
    } catch (const std::exception& e) {
        std::cerr << "docserver: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
