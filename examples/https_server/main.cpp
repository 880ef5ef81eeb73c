// SPDX-License-Identifier: Apache-2.0
// A web server over TLS. See docs/examples.md.

#include "service.hpp"
#include "serving/command_line.hpp"

#include <coroscope/runtime/run.hpp>

#include <CLI/CLI.hpp>

#include <iostream>

namespace {

constexpr const char* footer = R"(Examples:
  examples/https_server/make_certificate.sh cert.pem key.pem
  https_server --certificate cert.pem --key key.pem
      and then: curl --cacert cert.pem https://localhost:4433/tls

Pages: / and /test_me and /tls. The port is in the line on standard output; the log goes to standard
error. SIGINT or SIGTERM stops it: requests in flight are finished, at most for --grace; a second
one cuts them off. Exit status: 0 stopped, 1 it could not run, 2 wrong usage.)";

void add_options(CLI::App& app, https_server::settings& o) {
    app.add_option("--host", o.host, "address or name to listen on")->capture_default_str();
    app.add_option("--port", o.port, "port to listen on; 0 takes any free one")
        ->capture_default_str();
    app.add_option("--certificate", o.certificate, "PEM file: ours, and those that signed it")
        ->check(CLI::ExistingFile)
        ->required();
    app.add_option("--key", o.key, "PEM file: the certificate's key")
        ->check(CLI::ExistingFile)
        ->required();
    app.add_option("--max-header", o.limits.header, "bytes of a request's header (431)")
        ->capture_default_str();
    app.add_option("--max-body", o.limits.body, "bytes of a request's body (413)")
        ->capture_default_str();
    serving::add_duration(app, "--handshake-timeout", "how long shaking hands may take",
                          o.handshake_timeout);
    serving::add_duration(app, "--keep-alive-timeout", "how long a connection may be idle",
                          o.keep_alive_timeout);
    serving::add_duration(app, "--request-timeout", "from a request's first byte to its last (408)",
                          o.request_timeout);
    serving::add_duration(app, "--write-timeout", "how long a client may not take what is sent",
                          o.write_timeout);
    serving::add_duration(app, "--grace", "how long requests in flight may go on when stopping",
                          o.grace);
}

}  // namespace

int main(int argc, char** argv) {
    https_server::settings chosen;
    CLI::App app("A few pages over HTTPS.", "https_server");
    app.footer(footer);
    add_options(app, chosen);
    if (const auto code = serving::parse(app, argc, argv)) { return *code; }
    const auto rest = [&chosen] {
        https_server::service s(chosen);
        const auto announce = [&chosen](std::uint16_t port) {
            std::cout << "https_server: listening on " << chosen.host << " port " << port
                      << std::endl;
        };
        coroscope::run_options options;
        options.handle_sigint = false;  // `serve` does, and SIGTERM as well
        coroscope::run(https_server::serve(s, announce), std::move(options));
    };
    return serving::report_errors("https_server", rest);
}
