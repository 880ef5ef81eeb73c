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
    table.add("text", [](const nlohmann::json& arguments) {
        return answer{text_argument(arguments, "by").value_or("none"), 0};
    });
    table.add("texts", [](const nlohmann::json& arguments) {
        return answer{texts_argument(arguments, "parts").value_or(std::vector<std::string>{"no"})};
    });
    table.add("refuse", [](const nlohmann::json&) -> answer {
        throw command_error(error_code::busy, "later");
    });
    table.add_long("wait", [](const nlohmann::json& arguments, const std::stop_token& stop) {
        return answer{{{"arguments", arguments}, {"stopped", stop.stop_requested()}}, 0};
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
    CHECK(reply.error->known
          == std::vector<std::string>{"echo", "throw", "count", "flag", "text", "texts", "refuse",
                                      "wait"});
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

TEST_CASE("a text is a string or absent", "[protocol]") {
    CHECK(ask("text").result == "none");
    CHECK(ask("text", {{"by", "task"}}).result == "task");
    const auto reply = ask("text", {{"by", 1}});
    REQUIRE(reply.error);
    CHECK(reply.error->code == error_code::bad_argument);
    CHECK(reply.error->message == "arguments.by must be a string");
}

TEST_CASE("texts are an array of strings or absent", "[protocol]") {
    CHECK(ask("texts").result == nlohmann::json{"no"});
    CHECK(ask("texts", {{"parts", {"a", "b"}}}).result == nlohmann::json{"a", "b"});
    CHECK(ask("texts", {{"parts", nlohmann::json::array()}}).result.empty());
    const auto wrong = GENERATE(as<nlohmann::json>{}, "a", nlohmann::json{"a", 1}, nullptr,
                                nlohmann::json{{"a", "b"}});
    CAPTURE(wrong);
    const auto reply = ask("texts", {{"parts", wrong}});
    REQUIRE(reply.error);
    CHECK(reply.error->message == "arguments.parts must be an array of strings");
}

TEST_CASE("a handler refuses with a code of its choice", "[protocol]") {
    const auto reply = ask("refuse");
    REQUIRE(reply.error);
    CHECK(reply.error->code == error_code::busy);
    CHECK(reply.error->message == "later");
}

TEST_CASE("a long command is known as such and told to stop", "[protocol]") {
    const auto commands = table();
    CHECK(commands.is_long("wait"));
    CHECK_FALSE(commands.is_long("echo"));
    CHECK_FALSE(commands.is_long("dance"));
    const request request{7, "wait", {{"a", 1}}};
    CHECK(commands.execute(request).result
          == nlohmann::json{{"arguments", {{"a", 1}}}, {"stopped", false}});
    std::stop_source source;
    source.request_stop();
    CHECK(commands.execute(request, source.get_token()).result["stopped"] == true);
    auto more = table();
    CHECK_THROWS_AS(more.add_long("echo", {}), std::logic_error);
}

TEST_CASE("two commands of one name are a mistake", "[protocol]") {
    auto commands = table();
    CHECK_THROWS_AS(commands.add("echo", {}), std::logic_error);
}
