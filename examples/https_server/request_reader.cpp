// SPDX-License-Identifier: Apache-2.0
#include "request_reader.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

namespace https_server {
namespace {

[[nodiscard]] http::status status_of(const boost::system::error_code& error) {
    if (error == http::error::header_limit) {
        return http::status::request_header_fields_too_large;
    }
    if (error == http::error::body_limit || error == http::error::buffer_overflow) {
        return http::status::payload_too_large;
    }
    if (error == http::error::bad_version) { return http::status::http_version_not_supported; }
    return http::status::bad_request;
}

}  // namespace

request_reader::request_reader(const request_limits& limits) {
    parser_.header_limit(limits.header);
    parser_.body_limit(limits.body);
    parser_.eager(true);
}

void request_reader::put(std::string& bytes) {
    while (!parser_.got_some() && bytes.starts_with("\r\n")) {
        bytes.erase(0, 2);  // an empty line before a request is to be ignored (RFC 9112, 2.2)
    }
    while (!bytes.empty() && !parser_.is_done() && !refused_) {
        boost::system::error_code error;
        const auto used = parser_.put(boost::asio::buffer(bytes), error);
        bytes.erase(0, used);
        if (error && error != http::error::need_more) { refused_ = status_of(error); }
        if (used == 0) { break; }
    }
    const auto& r = parser_.get();
    // HTTP/1.1 wants exactly one (RFC 9112, 3.2).
    if (parser_.is_done() && r.version() >= 11 && r.count(http::field::host) != 1) {
        refused_ = http::status::bad_request;
    }
}

}  // namespace https_server
