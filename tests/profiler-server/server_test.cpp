// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/server.hpp>

#include <coroscope/profiler_server/client.hpp>

#include "fake_facts.hpp"
#include "raw_client.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

using namespace coroscope;
using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using coroscope::test_support::fake_facts;
using coroscope::test_support::profile_of;
using coroscope::test_support::raw_client;
using coroscope::test_support::slow_step_at;
using coroscope::test_support::wait_until_open;
using nlohmann::json;
using stats_server = coroscope::profiler_server::profiler_server;

namespace {

std::shared_ptr<fake_facts> no_facts() {
    return std::make_shared<fake_facts>();
}

}  // namespace

TEST_CASE("the bare form needs neither newline nor end of input", "[server][threads]") {
    const auto facts = no_facts();
    facts->table["fetch"].calls = 3;
    const stats_server server(facts);
    raw_client client(server);
    client.send(R"({"command":"time_stats"})");
    const auto reply = json::parse(client.receive_rest());
    CHECK(reply["command"] == "time_stats");
    CHECK(reply["result"]["fetch"]["calls"] == 3);
}

TEST_CASE("empty facts are empty answers", "[server][threads]") {
    const stats_server server(no_facts());
    raw_client client(server);
    for (const auto* command : {"tasks", "findings", "slow_steps", "loop_stats"}) {
        client.send(json{{"id", 1}, {"command", command}}.dump());
        CHECK(client.receive() == json{{"id", 1}, {"command", command}, {"result", json::array()}});
    }
    client.send(R"({"id":2,"command":"time_stats"})");
    CHECK(client.receive()["result"] == json::object());
    client.send(R"({"id":3,"command":"memory_stats"})");
    CHECK(client.receive()
          == json{{"id", 3}, {"command", "memory_stats"}, {"result", json::object()}});
}

TEST_CASE("requests that arrive together are all answered, in order", "[server][threads]") {
    const stats_server server(no_facts());
    raw_client client(server);
    std::string requests;
    for (int id = 0; id < 1000; ++id) {
        requests += json{{"id", id}, {"command", "tasks"}}.dump();
    }
    client.send(requests + "\n");
    for (int id = 0; id < 1000; ++id) {
        REQUIRE(client.receive()["id"] == id);
    }
}

TEST_CASE("an unknown command is told the known ones, and the server goes on",
          "[server][threads]") {
    const stats_server server(no_facts());
    raw_client client(server);
    client.send(R"({"command":"dance"})");
    const auto error = json::parse(client.receive_rest())["error"];
    CHECK(error["code"] == "unknown_command");
    CHECK(error["known"]
          == json{"time_stats", "tasks", "findings", "slow_steps", "loop_stats", "memory_stats",
                  "cpu_profile", "wait_profile", "memory_profile", "version"});
    CHECK(profiler_client(server.host(), server.port()).version().protocol == 1);
}

TEST_CASE("a stuck request and a silent client get an error in time", "[server][threads]") {
    coroscope::profiler_server::server_options options;
    options.request_timeout = 20ms;
    options.first_request_timeout = 20ms;
    const stats_server server(no_facts(), {}, options);
    const auto sent = GENERATE("", "{\"command\"", "   ");
    CAPTURE(sent);
    raw_client client(server);
    client.send(sent);
    CHECK(json::parse(client.receive_rest())["error"]["code"] == "timeout");
}

TEST_CASE("half a request and its end get an error", "[server][threads]") {
    const stats_server server(no_facts());
    raw_client client(server);
    client.send("{\"command\"");
    client.send_no_more();
    CHECK(json::parse(client.receive_rest())["error"]["code"] == "malformed");
}

TEST_CASE("a client that sends nothing and stops is let go", "[server][threads]") {
    const stats_server server(no_facts());
    raw_client client(server);
    client.send_no_more();
    CHECK(client.receive_rest().empty());
}

TEST_CASE("an error reaches a client that has sent more than we read", "[server][threads]") {
    const stats_server server(no_facts());
    raw_client client(server);
    client.send("{\"a\":\"" + std::string(std::size_t{3} << 20U, 'x'));
    CHECK(json::parse(client.receive_rest())["error"]["code"] == "frame_too_large");
    wait_until_open(server, 0);
}

TEST_CASE("too many clients are told so, and served when others have gone", "[server][threads]") {
    coroscope::profiler_server::server_options options;
    options.max_connections = 1;
    const stats_server server(no_facts(), {}, options);
    {
        raw_client first(server);
        first.send(R"({"id":1,"command":"tasks"})");
        (void)first.receive();
        raw_client second(server);
        CHECK(json::parse(second.receive_rest())["error"]["code"] == "too_many_connections");
    }
    wait_until_open(server, 0);
    CHECK(profiler_client(server.host(), server.port()).tasks().tasks.empty());
}

TEST_CASE("a client that does not read its reply is dropped", "[server][threads]") {
    const auto facts = no_facts();
    facts->found.resize(1);
    // More than the sockets' buffers hold on both sides together.
    facts->found[0].message = std::string(std::size_t{16} << 20U, 'x');
    std::promise<void> asked;
    facts->on_question = [&asked] {
        asked.set_value();
    };
    coroscope::profiler_server::server_options options;
    options.write_timeout = 20ms;
    const stats_server server(facts, {}, options);
    raw_client client(server);
    client.send(R"({"command":"findings"})");
    asked.get_future().wait();  // the connection is open
    wait_until_open(server, 0);
}

TEST_CASE("what a source throws goes to the client, and the server goes on", "[server][threads]") {
    const auto facts = no_facts();
    facts->on_question = [] {
        throw std::runtime_error("table is broken");
    };
    const stats_server server(facts);
    raw_client client(server);
    client.send(R"({"id":1,"command":"time_stats"})");
    const auto error = client.receive()["error"];
    CHECK(error["code"] == "internal");
    CHECK_THAT(error["message"].get<std::string>(), Contains("table is broken"));
    client.send(R"({"id":2,"command":"tasks"})");
    CHECK(client.receive()["result"].empty());
}

TEST_CASE("the limit of a task list goes to the source and what it omits to the client",
          "[server][threads]") {
    const auto facts = no_facts();
    facts->all_tasks.resize(5);
    const stats_server server(facts);
    const profiler_client client(server.host(), server.port());
    CHECK(client.tasks(2).tasks.size() == 2);
    CHECK(client.tasks(2).omitted == 3);
    CHECK(client.tasks().omitted == 0);
    CHECK_THROWS_WITH(client.tasks(0), Contains("arguments.limit must be a whole number from 1"));
}

TEST_CASE("every fact survives the way to the client", "[server][threads]") {
    const auto facts = no_facts();
    facts->table["fetch"].calls = 3;
    facts->all_tasks.resize(1);
    facts->all_tasks[0].name = "serve";
    facts->slow = {slow_step_at(40, 8ms)};
    facts->found.resize(1);
    facts->found[0].rule = "race";
    facts->loops.resize(1);
    facts->loops[0].steps = 9;
    facts->memory["fetch"].calls = 2;
    facts->memory["fetch"].recent = {{3s, {{"page.cpp:7", {700, 7, 0, 0}}}}};
    facts->profile = profile_of(3);
    const stats_server server(facts);
    const profiler_client client("localhost", server.port());
    CHECK(client.time_stats() == facts->table);
    CHECK(client.tasks().tasks == facts->all_tasks);
    CHECK(client.slow_steps() == facts->slow);
    CHECK(client.loop_stats() == facts->loops);
    CHECK(client.memory_stats().table == facts->memory);
    CHECK(client.cpu_profile(1s).profile == facts->profile);
    CHECK(client.wait_profile().profile == facts->profile);
    CHECK(client.memory_profile().profile == facts->profile);
    const auto findings = client.findings();
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].rule == "race");
    CHECK(findings[1] == to_finding(facts->slow[0]));
}

TEST_CASE("the version tells who answers", "[server][threads]") {
    coroscope::profiler_server::server_options options;
    options.program = "docserver";
    const stats_server server(no_facts(), {}, options);
    const auto version = profiler_client(server.host(), server.port()).version();
    CHECK(version.program == "docserver");
    CHECK(version.pid == static_cast<std::uint64_t>(::getpid()));
    CHECK(version.report_schema == 1);
}

TEST_CASE("a port that is taken is told with the address and a way out", "[server][threads]") {
    const stats_server first(no_facts());
    CHECK_THROWS_WITH(stats_server(no_facts(), {"127.0.0.1", first.port()}),
                      Contains("127.0.0.1:" + std::to_string(first.port()))
                          && Contains("another program listens there")
                          && Contains("or 0 for any free one"));
}

TEST_CASE("a host that is no address is refused", "[server]") {
    const auto host = GENERATE("", "nowhere.invalid", "127.0.0", "1.2.3.4.5");
    CAPTURE(host);
    CHECK_THROWS_WITH(stats_server(no_facts(), {host, 0}),
                      Contains("the host must be a numeric address or localhost"));
    CHECK_THROWS_AS(stats_server(no_facts(), {host, 0}), listen_error);
}

TEST_CASE("a server listens on this machine only unless told otherwise", "[server][threads]") {
    const stats_server server(no_facts());
    CHECK(server.host() == "127.0.0.1");
    CHECK(server.port() != 0);
}

TEST_CASE("a closed server is gone, its clients too, and its port is free", "[server][threads]") {
    const auto facts = no_facts();
    stats_server first(facts);
    const auto port = first.port();
    raw_client client(first);
    client.send(R"({"id":1,"command":"tasks"})");
    (void)client.receive();
    first.close();
    first.close();
    CHECK(client.receive_rest().empty());
    CHECK(facts.use_count() == 1);
    CHECK_THROWS_AS(profiler_client("127.0.0.1", port).tasks(), client_error);
    const stats_server second(no_facts(), {"127.0.0.1", port});
    CHECK(profiler_client("127.0.0.1", port).tasks().tasks.empty());
}

TEST_CASE("a server answers after it has been moved", "[server][threads]") {
    auto first = start_profiler_server(no_facts());
    const stats_server second(std::move(first));
    CHECK(profiler_client(second.host(), second.port()).tasks().tasks.empty());
}

TEST_CASE("a server answers while the thread that started it is busy, on one of its own",
          "[server][threads]") {
    const auto facts = no_facts();
    std::thread::id answering;
    sigset_t blocked;
    sigemptyset(&blocked);
    facts->on_question = [&] {
        answering = std::this_thread::get_id();
        pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    };
    const stats_server server(facts);
    (void)profiler_client(server.host(), server.port()).time_stats();
    CHECK(answering != std::this_thread::get_id());
    CHECK(sigismember(&blocked, SIGINT) == 1);
    CHECK(sigismember(&blocked, SIGTERM) == 1);
    sigset_t ours;
    sigemptyset(&ours);
    pthread_sigmask(SIG_BLOCK, nullptr, &ours);
    CHECK(sigismember(&ours, SIGINT) == 0);
}
