// SPDX-License-Identifier: Apache-2.0
// examples/docserver under load, in the unannotated mode of race detection: every run of a loop is
// watched (tests/support/watched_loops.cpp), and what is found fails the case.

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/stream.hpp>

#include "docserver/service.hpp"
#include "docserver_fixture.hpp"
#include "support/catch.hpp"

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace docserver;
using namespace docserver_test;

namespace {

constexpr int clients = 8;
constexpr int requests_of_client = 500;

/// Small and compressed files, what is found by a link, a directory, and what is not there.
constexpr std::array<std::string_view, 6> targets{
    "/pkg/short.txt", "/pkg/copyright", "/inside.txt", "/pkg/", "/nothing", "/pkg/changelog.gz"};

/// Reads one response and gives back its status.
coro<std::string> read_response(coroscope::stream& from) {
    const auto head = co_await from.read_until("\r\n\r\n");
    const auto field = head.find("\r\nContent-Length: ");
    if (field != std::string::npos) {
        const auto length = std::stoul(head.substr(field + 18));
        co_await from.read_exactly(length);
    }
    co_return head.substr(9, 3);
}

coro<> be_a_client(std::uint16_t port, int number, int& answered) {
    auto connection = co_await coroscope::open_connection("127.0.0.1", port);
    for (int i = 0; i < requests_of_client; ++i) {
        const auto target = targets[static_cast<std::size_t>(number + i) % targets.size()];
        std::string text = "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n";
        if (i % 2 == 0) { text += "Accept-Encoding: gzip\r\n"; }
        connection.write(text + "\r\n");
        const auto status = co_await read_response(connection);
        CHECK(status == (target == "/nothing" ? "404" : "200"));
        ++answered;
    }
}

coro<> serve_clients(service& s, int& answered) {
    auto& loop = coroscope::get_running_loop();
    auto port = loop.create_future<std::uint16_t>();
    const auto ready = [port](std::uint16_t p) mutable {
        port.set_result(p);
    };
    auto server = loop.create_task(serve(s, ready), "server");
    const std::uint16_t where = co_await port;
    std::vector<coroscope::task<>> all;
    for (int i = 0; i < clients; ++i) {
        all.push_back(
            loop.create_task(be_a_client(where, i, answered), "client " + std::to_string(i)));
    }
    for (auto& one : all) {
        co_await one;
    }
    ::raise(SIGTERM);
    co_await server;
}

/// How many requests were answered.
[[nodiscard]] int load(options o) {
    site content(o);
    const docserver::log quiet(log_level::error);
    service s{content, quiet, {}};
    int answered = 0;
    coroscope::run_options settings;
    settings.handle_sigint = false;
    coroscope::run(serve_clients(s, answered), std::move(settings));
    return answered;
}

}  // namespace

TEST_CASE("docserver under load has no races between its tasks") {
    const tree t;
    CHECK(load(serving(t)) == clients * requests_of_client);
}

TEST_CASE("docserver under load has no races with the threads that compress for it") {
    const tree t;
    auto o = serving(t);
    o.offload = true;
    o.offload_threads = 2;
    CHECK(load(o) == clients * requests_of_client);
}
