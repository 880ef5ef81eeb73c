// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/request.hpp>

#include "support/catch.hpp"

#include <string>

using namespace coroscope::profiler_server::protocol;
using Catch::Matchers::Contains;

namespace {

request accepted(std::string_view text) {
    auto decoded = decode_request(text);
    REQUIRE(std::holds_alternative<request>(decoded));
    return std::get<request>(decoded);
}

refused_request refused(std::string_view text) {
    auto decoded = decode_request(text);
    REQUIRE(std::holds_alternative<refused_request>(decoded));
    return std::get<refused_request>(decoded);
}

}  // namespace

TEST_CASE("a request is read with its id, command and arguments", "[protocol]") {
    const auto request =
        accepted(R"({"id": "a-7", "command": "tasks", "arguments": {"limit": 3}, "new": true})");
    CHECK(request.id == nlohmann::json("a-7"));
    CHECK(request.command == "tasks");
    CHECK(request.arguments["limit"] == 3);
}

TEST_CASE("a request needs nothing but a command", "[protocol]") {
    const auto request = accepted(R"({"command":"time_stats"})");
    CHECK_FALSE(request.id);
    CHECK(request.arguments == nlohmann::json::object());
}

TEST_CASE("a request survives the way through text", "[protocol]") {
    request request;
    request.id = -5;
    request.command = "tasks";
    request.arguments["limit"] = 3;
    const auto again = accepted(encode_request(request));
    CHECK(again.id == request.id);
    CHECK(again.command == request.command);
    CHECK(again.arguments == request.arguments);
    CHECK(encode_request({{}, "tasks", nlohmann::json::object()}) == R"({"command":"tasks"})");
}

TEST_CASE("text that is no object is malformed", "[protocol]") {
    CHECK(refused("{]").error.code == error_code::malformed);
    CHECK_THAT(refused("{\"a\" 1}").error.message, Contains("at byte 6"));
    CHECK_THAT(refused("[1]").error.message, Contains("not a JSON object but array"));
    CHECK_THAT(refused("{\"a\":1e999}").error.message, Contains("out of range"));
    CHECK(refused("").error.code == error_code::malformed);
}

TEST_CASE("an id that is neither text nor a whole number is malformed", "[protocol]") {
    const auto id = GENERATE("null", "1.5", "true", "{}", "[]");
    CAPTURE(id);
    const auto refusal = refused("{\"command\":\"tasks\",\"id\":" + std::string(id) + "}");
    CHECK(refusal.error.code == error_code::malformed);
    CHECK_FALSE(refusal.id);
}

TEST_CASE("a missing command keeps the id", "[protocol]") {
    CHECK(refused("{}").error.code == error_code::missing_command);
    CHECK(refused(R"({"id":4,"command":null})").error.code == error_code::missing_command);
    CHECK(refused(R"({"id":4})").id == nlohmann::json(4));
}

TEST_CASE("a command or arguments of the wrong type are bad arguments", "[protocol]") {
    CHECK(refused(R"({"command":7})").error.code == error_code::bad_argument);
    CHECK(refused(R"({"command":"a","arguments":[1]})").error.code == error_code::bad_argument);
    CHECK(refused(R"({"id":1,"command":7})").id == nlohmann::json(1));
}
