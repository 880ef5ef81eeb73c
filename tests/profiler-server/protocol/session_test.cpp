// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/session.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using namespace coroscope::profiler_server::protocol;
using namespace std::chrono_literals;

namespace {

const command_table& commands() {
    static const auto filled = [] {
        command_table table;
        table.add("tasks", [](const nlohmann::json&) { return answer{nlohmann::json::array()}; });
        table.add("time_stats",
                  [](const nlohmann::json&) { return answer{nlohmann::json::object()}; });
        table.add_long("profile", [](const nlohmann::json&, const std::stop_token&) {
            return answer{nlohmann::json::object()};
        });
        return table;
    }();
    return filled;
}

// A session and a clock that is moved by hand.
struct peer {
    explicit peer(const session_options& chosen = {}) : options(chosen) {}

    session_options options;
    session::time_point now{1h};
    session machine{commands(), options, now};

    session_output send(std::string_view bytes) { return machine.on_bytes(bytes, now); }
    session_output written() { return machine.on_written(now); }
    session_output wait(std::chrono::milliseconds duration) {
        now += duration;
        return machine.on_timeout(now);
    }
};

std::string code_in(const session_output& output) {
    INFO(output.bytes);
    const auto reply = decode_reply(output.bytes);
    return reply.error ? std::string(to_string(reply.error->code)) : "no error";
}

}  // namespace

TEST_CASE("a request without an id is answered at its last brace, then closed", "[protocol]") {
    peer peer;
    const auto output = peer.send(R"({"command":"time_stats"})");
    CHECK(output.bytes == "{\"command\":\"time_stats\",\"result\":{}}\n");
    CHECK(output.close);
}

TEST_CASE("a request may come byte by byte", "[protocol]") {
    peer peer;
    const std::string request = R"({"command":"tasks"})";
    for (const char byte : request.substr(0, request.size() - 1)) {
        const auto output = peer.send({&byte, 1});
        CHECK(output.bytes.empty());
        CHECK_FALSE(output.close);
    }
    CHECK(peer.send("}").bytes == "{\"command\":\"tasks\",\"result\":[]}\n");
}

TEST_CASE("a request with an id is answered with it and the connection stays", "[protocol]") {
    peer peer;
    auto output = peer.send(R"({"id":1,"command":"tasks"})");
    CHECK(output.bytes == "{\"id\":1,\"command\":\"tasks\",\"result\":[]}\n");
    CHECK_FALSE(output.close);
    CHECK(peer.written().bytes.empty());
    output = peer.send("\n{\"id\":\"two\",\"command\":\"time_stats\"}\n");
    CHECK(output.bytes == "{\"id\":\"two\",\"command\":\"time_stats\",\"result\":{}}\n");
    CHECK_FALSE(output.close);
}

TEST_CASE("a question that takes long is handed to the owner, with what comes after the answer",
          "[protocol]") {
    peer peer;
    auto output = peer.send(
        R"({"id":1,"command":"profile","arguments":{"limit":3}}{"id":2,"command":"tasks"}{"command":"profile"})");
    CHECK(output.bytes.empty());
    CHECK_FALSE(output.close);
    REQUIRE(output.question);
    CHECK(output.question->id == nlohmann::json(1));
    CHECK(output.question->command == "profile");
    CHECK(output.question->arguments == nlohmann::json{{"limit", 3}});
    output = peer.written();
    CHECK(output.bytes == "{\"id\":2,\"command\":\"tasks\",\"result\":[]}\n");
    CHECK_FALSE(output.question);
    output = peer.written();
    CHECK(output.bytes.empty());
    CHECK(output.close);
    REQUIRE(output.question);
    CHECK_FALSE(output.question->id);
}

TEST_CASE("requests that arrive together are answered one after the other", "[protocol]") {
    peer peer;
    auto output = peer.send(R"({"id":1,"command":"tasks"}{"id":2,"command":"tasks"}{"id":3)");
    CHECK(decode_reply(output.bytes).id == nlohmann::json(1));
    output = peer.written();
    CHECK(decode_reply(output.bytes).id == nlohmann::json(2));
    CHECK(peer.written().bytes.empty());
    CHECK(decode_reply(peer.send(",\"command\":\"tasks\"}").bytes).id == nlohmann::json(3));
}

TEST_CASE("what comes after a request without an id is not answered", "[protocol]") {
    peer peer;
    CHECK(peer.send(R"({"command":"tasks"}{"command":"tasks"})").close);
    const auto output = peer.written();
    CHECK(output.bytes.empty());
    CHECK(output.close);
}

TEST_CASE("an unknown and a missing command are answered with the known ones", "[protocol]") {
    const auto [request, code] =
        GENERATE(table<std::string, std::string>({{R"({"command":"dance"})", "unknown_command"},
                                                  {R"({})", "missing_command"},
                                                  {R"({"command":7})", "bad_argument"}}));
    CAPTURE(request);
    peer peer;
    const auto output = peer.send(request);
    CHECK(code_in(output) == code);
    CHECK(decode_reply(output.bytes).error->known
          == std::vector<std::string>{"tasks", "time_stats", "profile"});
    CHECK(output.close);
}

TEST_CASE("a wrong request with an id keeps the connection", "[protocol]") {
    peer peer;
    auto output = peer.send(R"({"id":1,"command":"dance"}{"id":2})");
    CHECK(code_in(output) == "unknown_command");
    CHECK(decode_reply(output.bytes).id == nlohmann::json(1));
    CHECK_FALSE(output.close);
    output = peer.written();
    CHECK(code_in(output) == "missing_command");
    CHECK_FALSE(output.close);
}

TEST_CASE("garbage on a new connection is answered at its first byte and closed", "[protocol]") {
    peer peer;
    const auto output = peer.send("G");
    CHECK(code_in(output) == "malformed");
    CHECK(output.close);
}

TEST_CASE("an object that is no JSON is malformed", "[protocol]") {
    peer peer;
    const auto output = peer.send("{nope}");
    CHECK(code_in(output) == "malformed");
    CHECK(output.close);
}

TEST_CASE("a persistent connection goes on at the line after garbage", "[protocol]") {
    const auto garbage = GENERATE("what?", "{bad} {\"id\":8,\"command\":\"tasks\"}", "{\"a\":\"b");
    CAPTURE(garbage);
    peer peer;
    (void)peer.send(R"({"id":1,"command":"tasks"})");
    (void)peer.written();
    auto output = peer.send(garbage + std::string("\n{\"id\":2,\"command\":\"tasks\"}"));
    CHECK(code_in(output) == "malformed");
    CHECK_FALSE(output.close);
    output = peer.written();
    CHECK(decode_reply(output.bytes).id == nlohmann::json(2));
}

TEST_CASE("a request over the limit is an error and closes, persistent or not", "[protocol]") {
    session_options options;
    options.limits.max_bytes = 64;
    peer peer(options);
    (void)peer.send(R"({"id":1,"command":"tasks"})");
    (void)peer.written();
    const auto output = peer.send("{\"a\":\"" + std::string(100, 'x'));
    CHECK(code_in(output) == "frame_too_large");
    CHECK(output.close);
}

TEST_CASE("a request that is not complete in time gets an error", "[protocol]") {
    peer peer;
    CHECK(peer.send("{\"command\":").bytes.empty());
    CHECK(peer.machine.deadline() == peer.now + 3s);
    CHECK_FALSE(peer.wait(2'999ms).close);
    const auto output = peer.wait(1ms);
    CHECK(code_in(output) == "timeout");
    CHECK(output.close);
}

TEST_CASE("more bytes do not prolong a request", "[protocol]") {
    peer peer;
    (void)peer.send("{");
    for (int second = 0; second < 2; ++second) {
        peer.now += 1s;
        (void)peer.send(" ");
    }
    CHECK(peer.machine.deadline() == peer.now + 1s);
}

TEST_CASE("a client that sends nothing, or only blanks, is dropped", "[protocol]") {
    peer peer;
    CHECK_FALSE(peer.wait(9'999ms).close);
    (void)peer.send(" \n");
    const auto output = peer.wait(1ms);
    CHECK(code_in(output) == "timeout");
    CHECK(output.close);
}

TEST_CASE("between requests with an id there is more time", "[protocol]") {
    peer peer;
    (void)peer.send(R"({"id":1,"command":"tasks"})");
    peer.now += 1min;
    (void)peer.written();
    CHECK(peer.machine.deadline() == peer.now + 5min);
    CHECK_FALSE(peer.wait(5min - 1ms).close);
    CHECK(peer.wait(1ms).close);
}

TEST_CASE("the time for a request begins anew with each", "[protocol]") {
    peer peer;
    (void)peer.send("{");
    peer.now += 2s;
    (void)peer.send("\"id\":1,\"command\":\"tasks\"}");
    (void)peer.written();
    (void)peer.send("{");
    CHECK(peer.machine.deadline() == peer.now + 3s);
}

TEST_CASE("a client that stops in the middle of a request is told", "[protocol]") {
    peer peer;
    (void)peer.send("{\"command\"");
    const auto output = peer.machine.on_end_of_input();
    CHECK(code_in(output) == "malformed");
    CHECK(output.close);
}

TEST_CASE("a client that stops between requests just gets closed", "[protocol]") {
    peer peer;
    const auto output = peer.machine.on_end_of_input();
    CHECK(output.bytes.empty());
    CHECK(output.close);
    CHECK(peer.wait(1h).bytes.empty());
}

TEST_CASE("the options hold", "[protocol]") {
    session_options options;
    options.request_timeout = 50ms;
    options.first_request_timeout = 70ms;
    options.next_request_timeout = 90ms;
    peer peer(options);
    CHECK(peer.machine.deadline() == peer.now + 70ms);
    (void)peer.send("{");
    CHECK(peer.machine.deadline() == peer.now + 50ms);
    (void)peer.send("\"id\":1,\"command\":\"tasks\"}");
    (void)peer.written();
    CHECK(peer.machine.deadline() == peer.now + 90ms);
}
