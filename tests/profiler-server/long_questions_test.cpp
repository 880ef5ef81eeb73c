// SPDX-License-Identifier: Apache-2.0
// Questions that take long: nobody else waits for them, and they end when nobody wants them.
#include <coroscope/profiler_server/client.hpp>
#include <coroscope/profiler_server/server.hpp>

#include "fake_facts.hpp"
#include "raw_client.hpp"
#include "support/catch.hpp"

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using coroscope::test_support::fake_facts;
using coroscope::test_support::profile_of;
using coroscope::test_support::raw_client;
using coroscope::test_support::wait_until_open;
using nlohmann::json;
using stats_server = coroscope::profiler_server::profiler_server;

namespace {

// Profiles that last until the test lets them end, or until they are stopped.
class held_profiles {
public:
    void hold(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        ++begun_;
        changed_.notify_all();
        if (!changed_.wait(lock, stop, [this] { return released_; })) { ++stopped_; }
        changed_.notify_all();
    }
    void wait_until_begun(int count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return begun_ >= count; });
    }
    void wait_until_stopped(int count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ >= count; });
    }
    void release() {
        const std::lock_guard lock(mutex_);
        released_ = true;
        changed_.notify_all();
    }
    [[nodiscard]] int stopped() {
        const std::lock_guard lock(mutex_);
        return stopped_;
    }

private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    int begun_ = 0;
    int stopped_ = 0;
    bool released_ = false;
};

std::shared_ptr<fake_facts> facts_held_by(held_profiles& held) {
    auto facts = std::make_shared<fake_facts>();
    facts->profile = profile_of(1);
    facts->on_profile = [&held](const auto&, const auto& stop) {
        held.hold(stop);
    };
    return facts;
}

json error_of(const stats_server& server, const char* command, const json& arguments) {
    return profiler_client(server.host(), server.port())
        .request({{"command", command}, {"arguments", arguments}})["error"];
}

}  // namespace

TEST_CASE("a profile keeps nobody else from an answer", "[server][threads]") {
    held_profiles held;
    const stats_server server(facts_held_by(held));
    raw_client first(server);
    first.send(R"({"id":1,"command":"cpu_profile"}{"id":2,"command":"tasks"})");
    held.wait_until_begun(1);
    const profiler_client other(server.host(), server.port());
    CHECK(other.tasks().tasks.empty());
    CHECK(other.wait_profile().profile == profile_of(1));
    held.release();
    CHECK(first.receive()["id"] == 1);
    CHECK(first.receive()["id"] == 2);
    CHECK(held.stopped() == 0);
}

TEST_CASE("a closed server ends the profile that it makes", "[server][threads]") {
    held_profiles held;
    const auto facts = facts_held_by(held);
    stats_server server(facts);
    raw_client client(server);
    client.send(R"({"command":"cpu_profile","arguments":{"seconds":300}})");
    held.wait_until_begun(1);
    server.close();
    CHECK(held.stopped() == 1);
    CHECK(client.receive_rest().empty());
    CHECK(facts.use_count() == 1);
}

TEST_CASE("a profile ends when its client's connection breaks", "[server][threads]") {
    held_profiles held;
    const stats_server server(facts_held_by(held));
    raw_client gone(server);
    gone.send(R"({"command":"cpu_profile","arguments":{"seconds":300}})");
    held.wait_until_begun(1);
    gone.reset();
    held.wait_until_stopped(1);
    wait_until_open(server, 0);
    CHECK(profiler_client(server.host(), server.port()).tasks().tasks.empty());
}

TEST_CASE("a profile ends when its client waits no longer", "[server][threads]") {
    held_profiles held;
    const stats_server server(facts_held_by(held));
    const profiler_client client(server.host(), server.port(), {.timeout = 500ms});
    while (held.stopped() == 0) {  // one that was too late to begin does not count
        CHECK_THROWS_WITH(client.request({{"command", "cpu_profile"}}),
                          Contains("no answer within"));
    }
}

TEST_CASE("a client that sends no more gets its profile all the same", "[server][threads]") {
    held_profiles held;
    const stats_server server(facts_held_by(held));
    raw_client client(server);
    client.send(R"({"command":"cpu_profile"})");
    client.send_no_more();
    held.wait_until_begun(1);
    CHECK(profiler_client(server.host(), server.port()).tasks().tasks.empty());
    held.release();
    CHECK(json::parse(client.receive_rest())["result"]["kind"] == "cpu");
    CHECK(held.stopped() == 0);
}

TEST_CASE("no time limit of requests ends a profile, nor the watch over its client",
          "[server][threads]") {
    held_profiles held;
    coroscope::profiler_server::server_options options;
    options.first_request_timeout = 20ms;
    options.request_timeout = 20ms;
    options.next_request_timeout = 20ms;
    options.write_timeout = 20s;
    const stats_server server(facts_held_by(held), {}, options);
    raw_client client(server);
    client.send(R"({"id":1,"command":"cpu_profile"})");
    raw_client gone(server);
    gone.send(R"({"id":1,"command":"cpu_profile"})");
    held.wait_until_begun(2);
    raw_client silent(server);  // its time begins later, and is over
    CHECK(json::parse(silent.receive_rest())["error"]["code"] == "timeout");
    gone.reset();
    held.wait_until_stopped(1);
    held.release();
    CHECK(client.receive()["result"]["kind"] == "cpu");
}

TEST_CASE("a ninth long question at once is told to come later", "[server][threads]") {
    held_profiles held;
    const stats_server server(facts_held_by(held));
    std::list<raw_client> clients;
    for (int i = 0; i < 8; ++i) {
        clients.emplace_back(server).send(R"({"id":1,"command":"cpu_profile"})");
    }
    held.wait_until_begun(8);
    const auto error = error_of(server, "cpu_profile", json::object());
    CHECK(error["code"] == "busy");
    CHECK_THAT(error["message"].get<std::string>(), Contains("8 questions that take long"));
    held.release();
    for (auto& client : clients) {
        CHECK(client.receive()["result"]["kind"] == "cpu");
    }
    CHECK(error_of(server, "cpu_profile", json::object()).is_null());
}

TEST_CASE("what a program cannot profile has a code of its own", "[server][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->on_profile = [](const auto&, const auto&) {
        throw no_facts_error(no_facts_error::reason::busy, "one is being made");
    };
    const stats_server server(facts);
    const auto busy = error_of(server, "cpu_profile", json::object());
    CHECK(busy["code"] == "busy");
    CHECK(busy["message"] == "one is being made");
    const stats_server none(std::make_shared<facts_source>());
    for (const auto* command : {"cpu_profile", "wait_profile", "memory_profile"}) {
        CHECK(error_of(none, command, json::object())["code"] == "unavailable");
    }
}

TEST_CASE("how a profile is to be made reaches the source", "[server][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->profile = profile_of(1);
    std::vector<cpu_profile_request> asked;
    facts->on_profile = [&asked](const auto& wanted, const auto&) {
        asked.push_back(wanted);
    };
    std::optional<report::memory_key> key;
    report::memory_filter filter;
    facts->on_memory = [&](auto by, const auto& chosen) {
        key = by;
        filter = chosen;
    };
    const stats_server server(facts);
    const profiler_client client(server.host(), server.port());
    (void)client.cpu_profile(7s, {99, 5});
    (void)client.request({{"command", "cpu_profile"}, {"arguments", {{"unknown", 1}}}});
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].length == 7s);
    CHECK(asked[0].frequency == 99);
    CHECK(asked[1].length == 10s);
    CHECK(asked[1].frequency == 250);
    (void)client.memory_stats(report::memory_key::task, {{"mine/"}, {"generated/"}, true});
    CHECK(key == report::memory_key::task);
    CHECK(filter.include == std::vector<std::string>{"mine/"});
    CHECK(filter.exclude == std::vector<std::string>{"generated/"});
    CHECK(filter.cumulative);
    (void)client.request({{"command", "memory_stats"}});
    CHECK(key == report::memory_key::lineno);
    CHECK(filter.exclude == report::memory_filter().exclude);
    CHECK_FALSE(filter.cumulative);
}

TEST_CASE("arguments of profiles that are out of range are refused", "[server][threads]") {
    const stats_server server(std::make_shared<fake_facts>());
    const auto [command, arguments, expected] =
        GENERATE(table<const char*, const char*, const char*>(
            {{"cpu_profile", R"({"seconds":0})", "seconds must be a whole number from 1 to 300"},
             {"cpu_profile", R"({"seconds":301})", "seconds must be a whole number from 1 to 300"},
             {"cpu_profile", R"({"seconds":1.5})", "seconds must be a whole number from 1 to 300"},
             {"cpu_profile", R"({"frequency":10001})",
              "frequency must be a whole number from 1 to"},
             {"cpu_profile", R"({"limit":0})", "limit must be a whole number from 1 to 1000000"},
             {"wait_profile", R"({"limit":"all"})", "limit must be a whole number"},
             {"memory_profile", R"({"limit":-1})", "limit must be a whole number"},
             {"memory_stats", R"({"by":"colour"})",
              "by must be lineno, filename, traceback or task"},
             {"memory_stats", R"({"by":1})", "by must be a string"},
             {"memory_stats", R"({"include":"a"})", "include must be an array of strings"},
             {"memory_stats", R"({"cumulative":1})", "cumulative must be true or false"},
             {"memory_stats", R"({"limit":0})", "limit must be a whole number"}}));
    CAPTURE(command, arguments);
    const auto error = error_of(server, command, json::parse(arguments));
    CHECK(error["code"] == "bad_argument");
    CHECK_THAT(error["message"].get<std::string>(), Contains(expected));
}

TEST_CASE("what a limit puts together is counted, and nothing is lost from the totals",
          "[server][threads]") {
    const auto facts = std::make_shared<fake_facts>();
    facts->profile = profile_of(5);
    facts->memory["fetch"].recent = {{3s, {{"a", {9, 1, 0, 0}}, {"b", {5, 1, 0, 0}}, {"c", {}}}}};
    const stats_server server(facts);
    const profiler_client client(server.host(), server.port());
    for (const auto& answer :
         {client.cpu_profile(1s, {250, 2}), client.wait_profile(2), client.memory_profile(2)}) {
        CHECK(answer.omitted == 3);
        CHECK(answer.profile.samples.size() == 3);
        CHECK(report::total(answer.profile, 1) == report::total(facts->profile, 1));
    }
    CHECK(client.wait_profile(5).omitted == 0);
    const auto memory = client.memory_stats(report::memory_key::lineno, {}, 1);
    CHECK(memory.omitted == 2);
    CHECK(memory.table.at("fetch").recent.at(0).rows.at(1).key == "(other)");
}
