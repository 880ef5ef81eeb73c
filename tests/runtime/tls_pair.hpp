// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/tls.hpp>

#include "runtime/stream_pair.hpp"
#include "runtime/test_certificates.hpp"

#include <boost/system/system_error.hpp>

#include <string>
#include <utility>

/// Two streams that speak TLS with each other.
namespace tls_pair {

using namespace stream_pair;
using coroscope::tls_context;
using coroscope::tls_options;
using coroscope::tls_role;

inline const test_certificates::authority& authority() {
    static const test_certificates::authority ours;
    return ours;
}

inline tls_context server_context(const std::string& names = "DNS:localhost,IP:127.0.0.1") {
    const auto issued = authority().issue("test server", names);
    auto context = tls_context::server();
    context.use_certificate(issued.certificate);
    context.use_private_key(issued.key);
    return context;
}

inline tls_context client_context() {
    auto context = tls_context::client();
    context.trust(authority().certificate());
    return context;
}

inline tls_options to_localhost() {
    tls_options options;
    options.server_name = "localhost";
    return options;
}

/// Both ends with TLS over a Unix-domain socket.
inline coro<connected> connect_tls(tls_options options = to_localhost()) {
    auto plain = co_await connect(options.stream);
    auto serving = coroscope::get_running_loop().create_task(
        coroscope::start_tls(std::move(plain.peer), tls_role::server, server_context(), options));
    auto client = co_await coroscope::start_tls(std::move(plain.client), tls_role::client,
                                                client_context(), options);
    auto peer = co_await std::move(serving);
    co_return connected(std::move(client), std::move(peer));
}

inline coro<std::string> code_message(coro<std::string> failing,
                                      boost::system::error_code expected) {
    try {
        co_await std::move(failing);
    } catch (const boost::system::system_error& e) {
        co_return e.code() == expected ? "as expected" : e.what();
    }
    co_return "(nothing was thrown)";
}

}  // namespace tls_pair
