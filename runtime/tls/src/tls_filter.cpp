// SPDX-License-Identifier: Apache-2.0
#include "tls_filter.hpp"

#include "stream_state.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include <limits>
#include <new>
#include <stdexcept>

namespace coroscope::detail {
namespace {

using boost::system::error_code;

/// The oldest error that OpenSSL has noted in this thread.
[[nodiscard]] error_code last_error() {
    const auto code = ::ERR_get_error();
    if (code == 0) { return boost::asio::ssl::error::unexpected_result; }
    return {static_cast<int>(code), boost::asio::error::get_ssl_category()};
}

/// Whether the call that returned `result` only needs more input.
[[nodiscard]] bool wants_input(const SSL& ssl, int result) {
    const int reason = ::SSL_get_error(&ssl, result);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
}

[[nodiscard]] int to_length(std::size_t n) {
    constexpr auto most = std::size_t{std::numeric_limits<int>::max()};
    return static_cast<int>(n < most ? n : most);
}

[[nodiscard]] std::string subject_of(const X509& certificate) {
    BIO* const text = ::BIO_new(::BIO_s_mem());
    if (text == nullptr) { throw std::bad_alloc(); }
    const std::unique_ptr<BIO, decltype(&::BIO_free)> owner(text, &::BIO_free);
    ::X509_NAME_print_ex(text, ::X509_get_subject_name(&certificate), 0, XN_FLAG_ONELINE);
    char* bytes = nullptr;
    const long n = BIO_get_mem_data(text, &bytes);
    return {bytes, static_cast<std::size_t>(n)};
}

}  // namespace

tls_filter::tls_filter(std::shared_ptr<void> keeps, SSL_CTX& context, tls_role role,
                       const tls_options& options)
    : stream_filter(options.shutdown_timeout),
      keeps_(std::move(keeps)),
      ssl_(::SSL_new(&context)),
      from_wire_(::BIO_new(::BIO_s_mem())),
      to_wire_(::BIO_new(::BIO_s_mem())) {
    if (!ssl_ || from_wire_ == nullptr || to_wire_ == nullptr) {
        ::BIO_free(from_wire_);
        ::BIO_free(to_wire_);
        throw std::bad_alloc();
    }
    ::SSL_set_bio(ssl_.get(), from_wire_, to_wire_);
    if (role == tls_role::server) {
        ::SSL_set_accept_state(ssl_.get());
    } else {
        ::SSL_set_connect_state(ssl_.get());
        expect_server(options.server_name, ::SSL_CTX_get_verify_mode(&context) != SSL_VERIFY_NONE);
    }
}

void tls_filter::expect_server(const std::string& name, bool verified) {
    if (verified && name.empty()) {
        throw std::invalid_argument(
            "tls_options::server_name is empty, so the server's certificate cannot be checked "
            "against it; set it, or call tls_context::verify_nothing");
    }
    error_code not_numeric;
    boost::asio::ip::make_address(name, not_numeric);
    // A name is sent, an address must not be.
    long done = 1;
    if (not_numeric && !name.empty()) {
        auto copied = name;
        done = ::SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                          copied.data());
    }
    if (done == 1 && verified && !not_numeric) {
        done = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), name.c_str());
    } else if (done == 1 && verified) {
        ::SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        done = ::SSL_set1_host(ssl_.get(), name.c_str());
    }
    if (done != 1) {
        throw boost::system::system_error(last_error(), "tls_options::server_name: " + name);
    }
}

bool tls_filter::advance_handshake(error_code& error) {
    ::ERR_clear_error();
    const int result = ::SSL_do_handshake(ssl_.get());
    if (result == 1) { return true; }
    if (!wants_input(*ssl_, result)) { error = broken_ = last_error(); }
    return false;
}

std::string tls_filter::certificate_problem() const {
    const long result = ::SSL_get_verify_result(ssl_.get());
    return result == X509_V_OK ? std::string() : ::X509_verify_cert_error_string(result);
}

tls_facts tls_filter::facts() const {
    tls_facts found;
    found.version = ::SSL_get_version(ssl_.get());
    found.cipher = ::SSL_get_cipher_name(ssl_.get());
    const unsigned char* name = nullptr;
    unsigned length = 0;
    ::SSL_get0_alpn_selected(ssl_.get(), &name, &length);
    found.protocol.assign(name, name + length);
    const auto* certificate = ::SSL_get0_peer_certificate(ssl_.get());
    if (certificate != nullptr) { found.peer_subject = subject_of(*certificate); }
    return found;
}

void tls_filter::receive(std::string_view wire) {
    if (wire.empty()) { return; }
    const int taken = ::BIO_write(from_wire_, wire.data(), to_length(wire.size()));
    if (taken != to_length(wire.size())) { throw std::bad_alloc(); }
}

/// Without anything to read SSL_read only says so, which takes a good part of what a record takes.
bool tls_filter::can_decode() const noexcept {
    return BIO_pending(from_wire_) > 0 || ::SSL_pending(ssl_.get()) > 0
           || (::SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

stream_filter::decoded tls_filter::decode(input_buffer& to, error_code& error) {
    auto found = decoded::nothing;
    while (!broken_ && can_decode()) {
        const auto room = to.prepare();
        ::ERR_clear_error();
        const int n = ::SSL_read(ssl_.get(), room.data(), to_length(room.size()));
        if (n > 0) {
            to.commit(static_cast<std::size_t>(n));
            found = decoded::some;
            continue;
        }
        if (wants_input(*ssl_, n)) { return found; }
        if (::SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN) {
            return found == decoded::some ? found : decoded::end;
        }
        broken_ = last_error();
    }
    if (found == decoded::nothing) { error = broken_; }
    return found;
}

error_code tls_filter::end_of_wire() noexcept {
    const bool was_announced = (::SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    return was_announced ? error_code() : boost::asio::ssl::error::stream_truncated;
}

void tls_filter::encode(std::string_view bytes, error_code& error) {
    ::ERR_clear_error();
    const int n = ::SSL_write(ssl_.get(), bytes.data(), to_length(bytes.size()));
    if (n != to_length(bytes.size())) { error = last_error(); }
}

/// The first call announces our end; the second, which would wait for the other side's, is not
/// needed, since `decode` sees that. Before the end of a handshake there is nothing to announce.
void tls_filter::encode_end() {
    if (::SSL_is_init_finished(ssl_.get()) != 1 || broken_) { return; }
    ::ERR_clear_error();
    ::SSL_shutdown(ssl_.get());
    ::ERR_clear_error();
}

std::string_view tls_filter::output() const noexcept {
    char* bytes = nullptr;
    const long n = BIO_get_mem_data(to_wire_, &bytes);
    return n > 0 ? std::string_view(bytes, static_cast<std::size_t>(n)) : std::string_view();
}

void tls_filter::drop_output() noexcept {
    static_cast<void>(BIO_reset(to_wire_));
}

}  // namespace coroscope::detail
