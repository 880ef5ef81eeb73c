// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace https_server {

namespace http = boost::beast::http;
using request = http::request<http::string_body>;

/// What a request may measure, in bytes.
struct request_limits {
    std::uint32_t header = 8 * 1024;
    std::uint64_t body = 64 * 1024;
};

/// Makes one request of bytes, however they are cut up: Beast's parser, fed by hand.
class request_reader {
public:
    explicit request_reader(const request_limits& limits);

    /// Takes what belongs to this request out of `bytes`; the rest belongs to the next one.
    void put(std::string& bytes);
    [[nodiscard]] bool is_complete() const { return parser_.is_done(); }
    /// The status to refuse it with, once that is clear.
    [[nodiscard]] std::optional<http::status> refused() const noexcept { return refused_; }
    /// What has been understood so far: all of it, once it is complete.
    [[nodiscard]] const request& understood() const { return parser_.get(); }

private:
    http::request_parser<http::string_body> parser_;
    std::optional<http::status> refused_;
};

}  // namespace https_server
