// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <boost/beast/http/write.hpp>

#include <array>
#include <ctime>
#include <sstream>
#include <string_view>

namespace https_server {
namespace {

constexpr std::string_view front_page =
    "<!DOCTYPE html>\n<title>coroscope</title>\n<p>Hello over TLS.</p>\n";

[[nodiscard]] std::string date_of_today() {
    const auto now = std::time(nullptr);
    std::tm t = {};
    ::gmtime_r(&now, &t);
    std::array<char, 64> text = {};
    const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &t);
    return {text.data(), size};
}

[[nodiscard]] response make(http::status status, std::string_view type, std::string body) {
    response made(status, 11);
    made.set(http::field::server, "coroscope https_server");
    made.set(http::field::date, date_of_today());
    made.set(http::field::content_type, {type.data(), type.size()});
    made.body() = std::move(body);
    return made;
}

[[nodiscard]] response make_refusal(http::status status) {
    const auto reason = http::obsolete_reason(status);
    return make(status, "text/plain; charset=utf-8",
                std::to_string(static_cast<unsigned>(status)) + ' '
                    + std::string(reason.data(), reason.size()) + '\n');
}

[[nodiscard]] std::string describe(const std::optional<coroscope::tls_facts>& facts) {
    if (!facts) { return "none\n"; }
    return facts->version + ' ' + facts->cipher + ' '
           + (facts->protocol.empty() ? "no protocol chosen" : facts->protocol) + '\n';
}

/// Nothing for a path where there is no page.
[[nodiscard]] std::optional<response> find_page(std::string_view path,
                                                const std::optional<coroscope::tls_facts>& facts) {
    if (path == "/") {
        return make(http::status::ok, "text/html; charset=utf-8", std::string(front_page));
    }
    if (path == "/test_me") {
        return make(http::status::ok, "application/json", "{\"it_works\": true}");
    }
    if (path == "/tls") {
        return make(http::status::ok, "text/plain; charset=utf-8", describe(facts));
    }
    return std::nullopt;
}

}  // namespace

response answer(const request& r, const std::optional<coroscope::tls_facts>& facts) {
    const std::string_view target(r.target().data(), r.target().size());
    auto found = find_page(target.substr(0, target.find('?')), facts);
    auto made = found ? std::move(*found) : make_refusal(http::status::not_found);
    if (found && r.method() != http::verb::get && r.method() != http::verb::head) {
        made = make_refusal(http::status::method_not_allowed);
        made.set(http::field::allow, "GET, HEAD");
    }
    made.version(r.version());
    made.keep_alive(r.keep_alive());
    return made;
}

response refuse(http::status status) {
    auto made = make_refusal(status);
    made.keep_alive(false);
    return made;
}

std::string to_bytes(response r, http::verb in_answer_to) {
    r.prepare_payload();
    if (in_answer_to == http::verb::head) { r.body().clear(); }
    std::ostringstream text;
    text << r;
    return text.str();
}

}  // namespace https_server
