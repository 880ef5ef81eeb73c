// SPDX-License-Identifier: Apache-2.0
// The parts of examples/docserver, without sockets.

#include "docserver/conditions.hpp"
#include "docserver/content_type.hpp"
#include "docserver/http_date.hpp"
#include "docserver/target.hpp"
#include "docserver_fixture.hpp"
#include "support/catch.hpp"

#include <sstream>
#include <string>

using namespace docserver;
using namespace docserver_test;
using namespace std::chrono_literals;

namespace {

request parsed(std::string bytes) {
    request_parser parser;
    parser.put(bytes);
    REQUIRE(parser.refused() == 0);
    REQUIRE(parser.is_complete());
    REQUIRE(bytes.empty());
    return parser.take();
}

int refusal_of(std::string bytes, request_limits limits = {}) {
    request_parser parser(limits);
    parser.put(bytes);
    return parser.refused();
}

std::string range_text(const std::string& range, std::uint64_t size) {
    request r;
    r.range = range;
    const auto found = find_range(r, size, "\"tag\"", 0);
    if (found.what == byte_range::kind::whole) { return "whole"; }
    if (found.what == byte_range::kind::unsatisfiable) { return "unsatisfiable"; }
    return std::to_string(found.offset) + "+" + std::to_string(found.length);
}

}  // namespace

TEST_CASE("docserver decodes and normalises targets") {
    const auto path = [](std::string_view target) {
        const auto t = decode_target(target);
        if (t.refused != 0) { return std::to_string(t.refused); }
        return t.path + (t.is_directory ? "/" : "");
    };
    CHECK(path("/") == "/");
    CHECK(path("/a/b.txt") == "a/b.txt");
    CHECK(path("/a//./b/") == "a/b/");
    CHECK(path("/a/../b") == "b");
    CHECK(path("/a/..") == "/");
    CHECK(path("/with%20space%3F?query=/..") == "with space?");
    CHECK(path("http://host:80/a") == "a");
    CHECK(path("http://host") == "/");
    CHECK(path("/..") == "403");
    CHECK(path("/a/../../etc/passwd") == "403");
    CHECK(path("/%2e%2E/etc/passwd") == "403");
    CHECK(path("/a%2f..%2fb") == "400");
    CHECK(path("/%00") == "400");
    CHECK(path("/%4") == "400");
    CHECK(path("/%zz") == "400");
    CHECK(path("") == "400");
    CHECK(path("*") == "400");
    CHECK(path("a") == "400");
    CHECK(percent_encode("a b/<%>") == "a%20b/%3C%25%3E");
}

TEST_CASE("docserver compresses what can be decompressed, for those who take it") {
    const auto text = tree::text();
    CHECK(gzip_decompress(gzip_compress(text, 9)) == text);
    CHECK(gzip_decompress(gzip_compress("", 1)).empty());
    CHECK(gzip_compress(text, 9).size() < text.size() / 3);
    CHECK_THROWS(gzip_decompress("not gzip at all"));
    CHECK(accepts_gzip("gzip"));
    CHECK(accepts_gzip("br;q=1.0, GZip;q=0.5"));
    CHECK(accepts_gzip("*"));
    CHECK_FALSE(accepts_gzip(""));
    CHECK_FALSE(accepts_gzip("gzip;q=0"));
    CHECK_FALSE(accepts_gzip("br, deflate"));
    CHECK_FALSE(accepts_gzip("gzip;q=0, *"));
}

TEST_CASE("docserver knows dates, types and ranges") {
    CHECK(to_http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == std::time_t{784111777});
    CHECK_FALSE(parse_http_date("Mon, 06 Nov 1994 08:49:37 GMT"));
    CHECK_FALSE(parse_http_date("Sun, 36 Nov 1994 08:49:37 GMT"));
    CHECK_FALSE(parse_http_date("yesterday"));

    CHECK(content_type("copyright") == "text/plain; charset=utf-8");
    CHECK(content_type("changelog.gz") == "application/gzip");
    CHECK(content_type("README.Debian") == "text/plain; charset=utf-8");
    CHECK(content_type("INDEX.HTML") == "text/html; charset=utf-8");
    CHECK(content_type("a.unknown") == "application/octet-stream");
    CHECK_FALSE(is_text(content_type("changelog.gz")));

    CHECK(range_text("bytes=0-0", 10) == "0+1");
    CHECK(range_text("bytes=3-100", 10) == "3+7");
    CHECK(range_text("bytes=7-", 10) == "7+3");
    CHECK(range_text("bytes=-4", 10) == "6+4");
    CHECK(range_text("bytes=-40", 10) == "0+10");
    CHECK(range_text("bytes=10-", 10) == "unsatisfiable");
    CHECK(range_text("bytes=0-1", 0) == "unsatisfiable");
    CHECK(range_text("bytes=5-4", 10) == "whole");
    CHECK(range_text("bytes=0-1,3-4", 10) == "whole");
    CHECK(range_text("lines=1-2", 10) == "whole");
    CHECK(range_text("", 10) == "whole");
}

TEST_CASE("docserver parses requests as they come, and refuses what is wrong") {
    const auto r = parsed("\r\nGET /a HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    CHECK(r.method == "GET");
    CHECK(r.accept_encoding == "gzip");
    CHECK(r.keep_alive);
    CHECK_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
    CHECK_FALSE(parsed("GET / HTTP/1.1\r\n\r\n").has_host);

    std::string two = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
    request_parser first;
    first.put(two);
    CHECK(first.is_complete());
    CHECK(first.take().target == "/1");
    CHECK(two == "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");

    request_parser slow;
    std::string bytes;
    for (const char c : std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")) {
        CHECK_FALSE(slow.is_complete());
        bytes += c;
        slow.put(bytes);
    }
    CHECK(slow.is_complete());
    CHECK(slow.refused() == 0);

    CHECK(refusal_of("nonsense\r\n\r\n") == 400);
    CHECK(refusal_of("GET / HTTP/2.0\r\n\r\n") == 505);
    CHECK(refusal_of("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x')) == 431);
    CHECK(refusal_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n") == 413);
}

TEST_CASE("docserver serves files, compressed for those who take it") {
    const tree t;
    site s(serving(t));
    const auto plain = get(s, "/pkg/copyright");
    CHECK(plain.result.status == 200);
    CHECK(plain.body() == tree::text());
    CHECK(plain.field("Content-Length") == std::to_string(tree::text().size()));
    CHECK(plain.field("Content-Encoding").empty());
    const auto packed = get(s, "/pkg/copyright", "gzip");
    CHECK(packed.field("Content-Encoding") == "gzip");
    CHECK(packed.field("Vary") == "Accept-Encoding");
    CHECK(gzip_decompress(packed.body()) == tree::text());
    CHECK(packed.field("ETag") != plain.field("ETag"));
    CHECK(get(s, "/pkg/short.txt", "gzip").body() == "short");
    CHECK(get(s, "/pkg/empty.txt").body().empty());
    CHECK(get(s, "/inside.txt").body() == "short");
    const auto already = get(s, "/pkg/changelog.gz", "gzip");
    CHECK(already.field("Content-Encoding").empty());
    CHECK(gzip_decompress(already.body()) == "changes");

    auto o = serving(t);
    o.offload = true;
    site off(o);
    CHECK(gzip_decompress(get(off, "/pkg/copyright", "gzip").body()) == tree::text());
    CHECK(off.profiler.time_stats().at("gzip_compress").calls == 1);
}

TEST_CASE("docserver refuses what is not there, or not below its root") {
    const tree t;
    site s(serving(t));
    CHECK(get(s, "/nothing").result.status == 404);
    CHECK(get(s, "/pkg/copyright/").result.status == 404);
    CHECK(get(s, "/pkg/copyright/x").result.status == 404);
    CHECK(get(s, "/leak.txt").result.status == 403);
    CHECK(get(s, "/leak/secret.txt").result.status == 403);
    CHECK(get(s, "/circle").result.status == 403);
    CHECK(get(s, "/../private/secret.txt").result.status == 403);
    CHECK_FALSE(get(s, "/leak.txt").has("secret"));
    request post;
    post.method = "POST";
    const auto refused = ask(s, post);
    CHECK(refused.result.status == 405);
    CHECK(refused.field("Allow") == "GET, HEAD");
    request without_host;
    without_host.has_host = false;
    CHECK(ask(s, without_host).result.status == 400);
}

TEST_CASE("docserver lists directories with names escaped, and redirects to them") {
    const tree t;
    site s(serving(t));
    const auto page = get(s, "/pkg/");
    CHECK(page.result.status == 200);
    CHECK(page.has("<a href=\"./%3Codd%20%26%20name%3E/\">&lt;odd &amp; name&gt;/</a>"));
    CHECK(page.has("<a href=\"./short.txt\">short.txt</a>, 5 bytes"));
    CHECK(page.has("<a href=\"../\">"));
    CHECK_FALSE(get(s, "/").has("<a href=\"../\">"));
    CHECK(get(s, "/site/").body() == "<p>index</p>");
    const auto redirect = get(s, "//pkg?x");
    CHECK(redirect.result.status == 301);
    CHECK(redirect.field("Location") == "/pkg/");
}

TEST_CASE("docserver answers HEAD, conditional and partial requests") {
    const tree t;
    site s(serving(t));
    const auto whole = get(s, "/pkg/copyright");
    request r;
    r.target = "/pkg/copyright";
    r.method = "HEAD";
    const auto head = ask(s, r);
    CHECK(head.body().empty());
    CHECK(head.field("Content-Length") == whole.field("Content-Length"));
    r.accept_encoding = "gzip";
    CHECK(ask(s, r).field("Content-Encoding") == "gzip");

    request again;
    again.target = r.target;
    again.if_none_match = "\"other\", W/" + whole.field("ETag");
    const auto unchanged = ask(s, again);
    CHECK(unchanged.result.status == 304);
    CHECK(unchanged.body().empty());
    again.if_none_match.clear();
    again.if_modified_since = whole.field("Last-Modified");
    CHECK(ask(s, again).result.status == 304);
    again.if_none_match = "\"other\"";
    CHECK(ask(s, again).result.status == 200);

    request part;
    part.target = r.target;
    part.range = "bytes=5-9";
    const auto partial = ask(s, part);
    CHECK(partial.result.status == 206);
    CHECK(partial.body() == tree::text().substr(5, 5));
    part.if_range = "\"other\"";
    CHECK(ask(s, part).result.status == 200);
    part.if_range.clear();
    part.range = "bytes=999999-";
    CHECK(ask(s, part).field("Content-Range") == "bytes */" + whole.field("Content-Length"));
}

TEST_CASE("docserver understands its command line") {
    std::ostringstream out;
    std::ostringstream err;
    const tree t;
    const auto good = parse_options({"--root", t.root().string(), "--port", "0", "--endpoint", "0",
                                     "--slow", "7ms", "--offload", "--quiet"},
                                    out, err);
    REQUIRE(std::holds_alternative<options>(good));
    const auto& o = std::get<options>(good);
    CHECK(o.slow == 7ms);
    CHECK(o.endpoint == std::uint16_t{0});
    CHECK(o.level == log_level::error);
    CHECK(std::get<int>(parse_options({"--help"}, out, err)) == 0);
    CHECK(out.str().find("Examples:") != std::string::npos);
    for (const char* wrong : {"--gzip-level=10", "--slow=5", "--port=70000", "--root=/no/such",
                              "--unknown", "--log-level=loud", "--max-connections=0"}) {
        CHECK(std::get<int>(parse_options({wrong}, out, err)) == 2);
    }
}
