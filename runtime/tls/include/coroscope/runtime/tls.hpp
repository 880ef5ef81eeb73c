// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio::ssl {
class context;
}

namespace coroscope {

/// A side's certificates, and whom it trusts. A counted handle: copies mean the same settings.
///
///     auto trusting = coroscope::tls_context::client();
///     trusting.trust_file("ca.pem");
///
/// Speaks TLS 1.2 and 1.3. Set it up before its first connection. **Errors**: what OpenSSL does not
/// accept throws `boost::system::system_error` naming the file. **Thread safety**: once it is set
/// up, any thread may connect with it.
class tls_context {
public:
    /// Verifies the server's certificate and name, against the machine's authorities until others
    /// are trusted.
    [[nodiscard]] static tls_context client();
    /// Asks for no certificate of the client. Needs `use_certificate…` and `use_private_key…`.
    [[nodiscard]] static tls_context server();

    /// Our certificate, followed by those between it and its authority: PEM.
    void use_certificate_file(const std::string& path);
    void use_certificate(std::string_view pem);
    /// The key of the certificate, which must match: PEM.
    void use_private_key_file(const std::string& path);
    void use_private_key(std::string_view pem);

    /// Trusts these authorities as well (a client no longer trusts the machine's): PEM.
    void trust_file(const std::string& path);
    void trust(std::string_view pem);
    /// For a server: a client without a certificate of a trusted authority is turned away.
    void require_peer_certificate();
    /// Accepts every certificate and every name. For tests: anybody may be the other side.
    void verify_nothing();
    /// What to offer, or to choose from, for the protocol inside TLS (ALPN), best first.
    void set_protocols(const std::vector<std::string>& names);

    /// For everything else.
    [[nodiscard]] boost::asio::ssl::context& native() const noexcept;

private:
    struct settings;
    explicit tls_context(bool for_clients);
    friend struct tls_access;
    std::shared_ptr<settings> settings_;
};

/// What a TLS connection is opened with.
struct tls_options {
    // No aggregate, since g++ 12 destroys aggregate temporaries beside a co_await twice.
    tls_options() {}  // NOLINT(modernize-use-equals-default)

    /// What the server calls itself: sent to it, and compared with its certificate. Empty: the
    /// host that `open_tls_connection` was given; `start_tls` throws `std::invalid_argument` unless
    /// the context verifies nothing. A server ignores it.
    std::string server_name;
    /// The handshake fails with `timeout_error` if it takes longer than this of the loop's time.
    duration handshake_timeout = std::chrono::seconds(60);
    /// `close` announces the end and waits this long for the other side to do so, in the
    /// background; then the connection is cut and `wait_closed` throws.
    duration shutdown_timeout = std::chrono::seconds(30);
    stream_options stream;
};

/// Facts about a connection.
struct tls_facts {
    std::string version;       ///< `TLSv1.3`
    std::string cipher;        ///< `TLS_AES_256_GCM_SHA384`
    std::string protocol;      ///< what `set_protocols` led to; empty: nothing
    std::string peer_subject;  ///< of the other side's certificate: `CN = example.org`; or empty
};

/// Which part one side has in a handshake.
enum class tls_role : std::uint8_t { client, server };

/// Speaks TLS from here on, over a stream of whatever kind: completes when the handshake is done,
/// and gives the stream back.
///
///     s.write("STARTTLS\r\n");
///     const auto answer = co_await s.read_line();
///     s = co_await coroscope::start_tls(std::move(s), coroscope::tls_role::client, trusting,
///     options);
///
/// The stream works as before, with these differences. A connection that ends without the other
/// side's end notice was cut: reading throws `boost::asio::ssl::error::stream_truncated`. `close`
/// exchanges end notices in the background. `unsent` counts encrypted bytes.
/// **Cancellation** of the handshake closes the connection. **Errors**: `timeout_error`;
/// `boost::system::system_error` with what is wrong with the certificate; `invalid_state_error` if
/// the stream speaks TLS already, is closed, or is being read.
[[nodiscard]] coro<stream> start_tls(stream s, tls_role role, tls_context context,
                                     tls_options options = tls_options(),
                                     await_site where = await_site::current());

/// Connects as `open_connection` does, then speaks TLS as a client.
[[nodiscard]] coro<stream> open_tls_connection(std::string host, std::uint16_t port,
                                               tls_context context,
                                               tls_options options = tls_options(),
                                               await_site where = await_site::current());

/// A handler for `start_server` and `start_unix_server` that shakes hands first, in the
/// connection's own task, so that a slow client keeps nobody waiting. A handshake that fails ends
/// its connection quietly; in debug mode the loop's exception handler is told.
///
///     auto server = co_await coroscope::start_server(
///         coroscope::with_tls(serve, certificates), "", 443);
///
/// `options.stream` is of no use here: the server's options have it.
[[nodiscard]] connection_handler with_tls(connection_handler handler, tls_context context,
                                          tls_options options = tls_options());

/// Nothing for a stream that does not speak TLS.
[[nodiscard]] std::optional<tls_facts> facts_of(const stream& s);

}  // namespace coroscope
