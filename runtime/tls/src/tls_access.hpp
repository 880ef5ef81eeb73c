// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/tls.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace coroscope {

struct tls_context::settings {
    explicit settings(boost::asio::ssl::context::method method) : context(method) {}
    void forget_default_authorities();

    boost::asio::ssl::context context;
    std::string protocols;  ///< each after its length
    bool has_authorities = false;
};

/// Lets the library into a context.
struct tls_access {
    [[nodiscard]] static std::shared_ptr<void> keep(const tls_context& c) { return c.settings_; }
};

}  // namespace coroscope
