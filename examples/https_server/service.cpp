// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include "serving/finish.hpp"
#include "session.hpp"

#include <iostream>

namespace https_server {

using coroscope::coro;

coro<> serve(service& s, std::function<void(std::uint16_t)> ready) {
    auto certificates = coroscope::tls_context::server();
    certificates.use_certificate_file(s.options.certificate);
    certificates.use_private_key_file(s.options.key);
    certificates.set_protocols({"http/1.1"});
    coroscope::tls_options tls;
    tls.handshake_timeout = s.options.handshake_timeout;
    tls.shutdown_timeout = std::chrono::seconds(2);
    const auto handler = [&s](coroscope::stream connection) {
        return serve_connection(s, std::move(connection));
    };
    serving::stop_signals signals;
    const auto shaking_hands_first = coroscope::with_tls(handler, certificates, tls);
    auto server =
        co_await coroscope::start_server(shaking_hands_first, s.options.host, s.options.port);
    ready(server.port());
    co_await signals.first().wait();
    s.stopping = true;
    for (auto* connection : s.idle) {
        connection->close();  // the session's read meets the end of the stream
    }
    const bool in_time = co_await serving::finish(server, signals, s.options.grace);
    if (!in_time) { std::cerr << "https_server: cut off connections that were left\n"; }
}

}  // namespace https_server
