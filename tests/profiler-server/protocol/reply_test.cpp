// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/reply.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

using namespace coroscope::profiler_server::protocol;
using coroscope::report::report_error;

TEST_CASE("a reply is one line", "[protocol]") {
    reply reply;
    reply.command = "tasks";
    reply.result = nlohmann::json::array();
    CHECK(encode_reply(reply) == "{\"command\":\"tasks\",\"result\":[]}\n");
    reply.id = 3;
    reply.omitted = 2;
    CHECK(encode_reply(reply) == "{\"id\":3,\"command\":\"tasks\",\"omitted\":2,\"result\":[]}\n");
}

TEST_CASE("a reply survives the way through text", "[protocol]") {
    reply sent;
    sent.id = "x";
    sent.command = "tasks";
    sent.result = {{"a", {1, 2}}};
    sent.omitted = 9;
    const auto got = decode_reply(encode_reply(sent));
    CHECK(got.id == sent.id);
    CHECK(got.command == sent.command);
    CHECK(got.result == sent.result);
    CHECK(got.omitted == 9);
    CHECK_FALSE(got.error);
}

TEST_CASE("an error takes the place of the result", "[protocol]") {
    reply sent;
    sent.error = {error_code::unknown_command, "no such command", {"tasks"}};
    const auto text = encode_reply(sent);
    CHECK(text.find("result") == std::string::npos);
    CHECK(decode_reply(text).error == sent.error);
}

TEST_CASE("a name that is not UTF-8 does not break the reply", "[protocol]") {
    reply sent;
    sent.result = {{"name", "caf\xe9"}};
    CHECK(decode_reply(encode_reply(sent)).result["name"] == "caf\xef\xbf\xbd");
}

TEST_CASE("text that is no reply is refused", "[protocol]") {
    CHECK_THROWS_AS(decode_reply("HTTP/1.1 400 Bad Request"), report_error);
    CHECK_THROWS_AS(decode_reply(""), report_error);
    CHECK_THROWS_AS(decode_reply("[]"), report_error);
    CHECK_THROWS_AS(decode_reply("{\"command\":\"tasks\"}"), report_error);
    CHECK_THROWS_AS(decode_reply("{\"error\":\"bad\"}"), report_error);
}
