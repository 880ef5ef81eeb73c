// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/tls.hpp>

#include "tls_access.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <utility>

namespace coroscope {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::system_error;

/// Calls `f`; what it throws says what it was about.
template <class F>
void named(const std::string& what, F f) {
    try {
        f();
    } catch (const system_error& e) { throw system_error(e.code(), what); }
}

/// A server's choice: the first of its own names that the client offers too; none in common ends
/// the handshake.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_length, void* ours) {
    const auto& names = *static_cast<const std::string*>(ours);
    unsigned char* found = nullptr;
    const int result = ::SSL_select_next_proto(
        &found, length, reinterpret_cast<const unsigned char*>(names.data()),
        static_cast<unsigned>(names.size()), offered, offered_length);
    *chosen = found;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

tls_context::tls_context(bool for_clients)
    : settings_(std::make_shared<settings>(for_clients ? ssl::context::tls_client
                                                       : ssl::context::tls_server)) {
    auto* raw = native().native_handle();
    ::SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    ::SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    ::SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    native().set_verify_mode(for_clients ? ssl::verify_peer : ssl::verify_none);
    if (for_clients) { native().set_default_verify_paths(); }
}

tls_context tls_context::client() {
    return tls_context(true);
}

tls_context tls_context::server() {
    return tls_context(false);
}

ssl::context& tls_context::native() const noexcept {
    return settings_->context;
}

void tls_context::use_certificate_file(const std::string& path) {
    named("using the certificate in " + path, [&] { native().use_certificate_chain_file(path); });
}

void tls_context::use_certificate(std::string_view pem) {
    named("using a certificate given as PEM",
          [&] { native().use_certificate_chain(boost::asio::buffer(pem.data(), pem.size())); });
}

void tls_context::use_private_key_file(const std::string& path) {
    named("using the private key in " + path,
          [&] { native().use_private_key_file(path, ssl::context::pem); });
}

void tls_context::use_private_key(std::string_view pem) {
    named("using a private key given as PEM", [&] {
        native().use_private_key(boost::asio::buffer(pem.data(), pem.size()), ssl::context::pem);
    });
}

/// From here on the given authorities count, and the machine's do not.
void tls_context::settings::forget_default_authorities() {
    if (std::exchange(has_authorities, true)) { return; }
    ::SSL_CTX_set_cert_store(context.native_handle(), ::X509_STORE_new());
}

void tls_context::trust_file(const std::string& path) {
    settings_->forget_default_authorities();
    named("trusting the authorities in " + path, [&] { native().load_verify_file(path); });
}

void tls_context::trust(std::string_view pem) {
    settings_->forget_default_authorities();
    named("trusting an authority given as PEM",
          [&] { native().add_certificate_authority(boost::asio::buffer(pem.data(), pem.size())); });
}

void tls_context::require_peer_certificate() {
    native().set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
}

void tls_context::verify_nothing() {
    native().set_verify_mode(ssl::verify_none);
}

void tls_context::set_protocols(const std::vector<std::string>& names) {
    std::string list;
    for (const auto& name : names) {
        if (name.empty() || name.size() > 255) {
            throw std::invalid_argument("a protocol's name has 1 to 255 bytes; '" + name + "' has "
                                        + std::to_string(name.size()));
        }
        list += static_cast<char>(name.size());
        list += name;
    }
    settings_->protocols = std::move(list);
    auto* raw = native().native_handle();
    const auto& kept = settings_->protocols;
    ::SSL_CTX_set_alpn_protos(raw, reinterpret_cast<const unsigned char*>(kept.data()),
                              static_cast<unsigned>(kept.size()));
    ::SSL_CTX_set_alpn_select_cb(raw, choose_protocol, &settings_->protocols);
}

}  // namespace coroscope
