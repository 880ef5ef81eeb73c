// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/command_table.hpp>

#include "support/catch.hpp"

#include <stdexcept>

using namespace coroscope::profiler_server::protocol;
using Catch::Matchers::Contains;

namespace {

command_table table() {
    command_table table;
    table.add("echo", [](const nlohmann::json& arguments) { return answer{arguments, 2}; });
    table.add("throw", [](const nlohmann::json&) -> answer { throw std::runtime_error("broken"); });
    table.add("count", [](const nlohmann::json& arguments) {
        return answer{count_argument(arguments, "limit", 10, 100), 0};
    });
    table.add("flag", [](const nlohmann::json& arguments) {
        return answer{flag_argument(arguments, "on"), 0};
    });
    return table;
}

reply ask(const char* command, nlohmann::json arguments = nlohmann::json::object()) {
    return table().execute({7, command, std::move(arguments)});
}

}  // namespace

TEST_CASE("a command's handler answers, and the id comes back", "[protocol]") {
    const auto reply = ask("echo", {{"a", 1}});
    CHECK(reply.id == nlohmann::json(7));
    CHECK(reply.command == "echo");
    CHECK(reply.result == nlohmann::json{{"a", 1}});
    CHECK(reply.omitted == 2);
    CHECK_FALSE(reply.error);
}

TEST_CASE("an unknown command is answered with the known ones", "[protocol]") {
    const auto reply = ask("dance");
    REQUIRE(reply.error);
    CHECK(reply.id == nlohmann::json(7));
    CHECK(reply.error->code == error_code::unknown_command);
    CHECK(reply.error->known == std::vector<std::string>{"echo", "throw", "count", "flag"});
}

TEST_CASE("what a handler throws is an internal error with its message", "[protocol]") {
    const auto reply = ask("throw");
    REQUIRE(reply.error);
    CHECK(reply.error->code == error_code::internal);
    CHECK_THAT(reply.error->message, Contains("broken"));
}

TEST_CASE("a count is taken from the arguments, or else the default", "[protocol]") {
    CHECK(ask("count").result == 10);
    CHECK(ask("count", {{"limit", 1}}).result == 1);
    CHECK(ask("count", {{"limit", 100U}}).result == 100);
}

TEST_CASE("a count out of range or of the wrong type is a bad argument", "[protocol]") {
    const auto limit = GENERATE(as<nlohmann::json>{}, 0, -1, 101, 1.5, "3", nullptr);
    CAPTURE(limit);
    const auto reply = ask("count", {{"limit", limit}});
    REQUIRE(reply.error);
    CHECK(reply.error->code == error_code::bad_argument);
    CHECK(reply.error->message == "arguments.limit must be a whole number from 1 to 100");
}

TEST_CASE("a flag is true, false, or absent, which is false", "[protocol]") {
    CHECK(ask("flag").result == false);
    CHECK(ask("flag", {{"on", true}}).result == true);
    CHECK(ask("flag", {{"on", false}}).result == false);
    const auto reply = ask("flag", {{"on", 1}});
    REQUIRE(reply.error);
    CHECK(reply.error->code == error_code::bad_argument);
    CHECK(reply.error->message == "arguments.on must be true or false");
}

TEST_CASE("two commands of one name are a mistake", "[protocol]") {
    auto commands = table();
    CHECK_THROWS_AS(commands.add("echo", {}), std::logic_error);
}
