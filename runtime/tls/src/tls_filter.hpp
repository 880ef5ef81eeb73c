// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/tls.hpp>

#include "stream_filter.hpp"

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace coroscope::detail {

/// One connection's TLS. OpenSSL reads from one buffer in memory and writes to another.
class tls_filter final : public stream_filter {
public:
    /// Keeps the context for as long as it lives.
    tls_filter(std::shared_ptr<void> keeps, SSL_CTX& context, tls_role role,
               const tls_options& options);

    /// One step of the handshake; true once it is done.
    [[nodiscard]] bool advance_handshake(boost::system::error_code& error);
    /// What is wrong with the other side's certificate; empty: nothing that we found.
    [[nodiscard]] std::string certificate_problem() const;
    [[nodiscard]] tls_facts facts() const;

    void receive(std::string_view wire) override;
    [[nodiscard]] decoded decode(input_buffer& to, boost::system::error_code& error) override;
    [[nodiscard]] boost::system::error_code end_of_wire() noexcept override;
    void encode(std::string_view bytes, boost::system::error_code& error) override;
    void encode_end() override;
    [[nodiscard]] std::string_view output() const noexcept override;
    void drop_output() noexcept override;

private:
    struct freer {
        void operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }
    };
    void expect_server(const std::string& name, bool verified);
    [[nodiscard]] bool can_decode() const noexcept;

    std::shared_ptr<void> keeps_;
    std::unique_ptr<SSL, freer> ssl_;
    BIO* from_wire_;  ///< these two belong to `ssl_`
    BIO* to_wire_;
    boost::system::error_code broken_;  ///< nothing can be decoded any more
};

class stream_state;

/// Gives the stream a filter and shakes hands; the stream is aborted unless that works.
[[nodiscard]] coro<> secure(std::shared_ptr<stream_state> state, tls_role role, tls_context context,
                            tls_options options, await_site where);

}  // namespace coroscope::detail
