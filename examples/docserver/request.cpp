// SPDX-License-Identifier: Apache-2.0
#include "request.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace docserver {

namespace http = boost::beast::http;

struct request_parser::parser : http::request_parser<http::string_body> {};

namespace {

[[nodiscard]] int status_of(const boost::system::error_code& error) {
    if (error == http::error::header_limit) { return 431; }
    if (error == http::error::body_limit || error == http::error::buffer_overflow) { return 413; }
    if (error == http::error::bad_version) { return 505; }
    return 400;
}

}  // namespace

request_parser::request_parser(const request_limits& limits) : parser_(std::make_unique<parser>()) {
    parser_->header_limit(static_cast<std::uint32_t>(limits.header));
    parser_->body_limit(limits.body);
    parser_->eager(true);
}

request_parser::~request_parser() = default;

void request_parser::put(std::string& bytes) {
    if (!parser_->got_some()) {
        // An empty line before a request is to be ignored (RFC 9112, 2.2).
        while (bytes.rfind("\r\n", 0) == 0) {
            bytes.erase(0, 2);
        }
    }
    while (!bytes.empty() && !parser_->is_done() && refused_ == 0) {
        boost::system::error_code error;
        const auto used = parser_->put(boost::asio::buffer(bytes), error);
        bytes.erase(0, used);
        if (error && error != http::error::need_more) { refused_ = status_of(error); }
        if (used == 0) { return; }
    }
}

bool request_parser::is_complete() const {
    return parser_->is_done();
}

request request_parser::take() const {
    const auto& message = parser_->get();
    const auto field = [&](http::field name) {
        const auto value = message[name];
        return std::string(value.data(), value.size());
    };
    request r;
    r.method.assign(message.method_string().data(), message.method_string().size());
    r.target.assign(message.target().data(), message.target().size());
    r.version = message.version();
    r.keep_alive = message.keep_alive();
    r.has_host = message.count(http::field::host) == 1;
    r.accept_encoding = field(http::field::accept_encoding);
    r.if_none_match = field(http::field::if_none_match);
    r.if_modified_since = field(http::field::if_modified_since);
    r.range = field(http::field::range);
    r.if_range = field(http::field::if_range);
    r.referer = field(http::field::referer);
    r.user_agent = field(http::field::user_agent);
    return r;
}

}  // namespace docserver
