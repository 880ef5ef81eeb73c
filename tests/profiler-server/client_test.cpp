// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/client.hpp>

#include "support/catch.hpp"

#include <boost/asio.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <string>
#include <thread>

using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using Catch::Matchers::Contains;

namespace {

// Takes one connection, reads one request, and says what the test has written for it.
class scripted_server {
public:
    explicit scripted_server(std::string answer, bool close = true)
        : thread_([this, answer = std::move(answer), close] { run(answer, close); }) {}
    scripted_server(const scripted_server&) = delete;
    scripted_server& operator=(const scripted_server&) = delete;
    ~scripted_server() { thread_.join(); }

    [[nodiscard]] profiler_client client(const client_options& options = {}) const {
        return {"127.0.0.1", acceptor_.local_endpoint().port(), options};
    }

    std::string request;  // to be read after the client has its answer

private:
    void run(const std::string& answer, bool close) {
        auto socket = acceptor_.accept();
        boost::system::error_code error;
        boost::asio::read_until(socket, boost::asio::dynamic_buffer(request), '}', error);
        boost::asio::write(socket, boost::asio::buffer(answer), error);
        if (close) { return; }
        char rest = 0;
        boost::asio::read(socket, boost::asio::buffer(&rest, 1), error);  // until the client goes
    }

    boost::asio::io_context context_;
    tcp::acceptor acceptor_{context_, {boost::asio::ip::address_v4::loopback(), 0}};
    std::thread thread_;
};

client_failure failure_of(const profiler_client& client) {
    try {
        (void)client.tasks();
    } catch (const client_error& error) { return error.failure(); }
    FAIL("the client had an answer");
    return {};
}

}  // namespace

TEST_CASE("nobody listening is told with the address and what to do", "[client]") {
    boost::asio::io_context context;
    tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
    const auto port = acceptor.local_endpoint().port();
    acceptor.close();
    const profiler_client client("127.0.0.1", port);
    CHECK(failure_of(client) == client_failure::connect);
    CHECK_THROWS_WITH(client.tasks(), Contains("cannot connect to " + client.address())
                                          && Contains("refused")
                                          && Contains("start_profiler_server"));
}

TEST_CASE("a server that says nothing runs into the timeout", "[client][threads]") {
    const scripted_server server("", false);
    client_options options;
    options.timeout = 30ms;
    const auto client = server.client(options);
    CHECK_THROWS_WITH(client.tasks(), Contains("no answer within 30.0 ms"));
}

TEST_CASE("a CPU profile may take its seconds on top of the timeout", "[client][threads]") {
    const scripted_server server("", false);
    client_options options;
    options.timeout = 30ms;
    const auto client = server.client(options);
    CHECK_THROWS_WITH(client.cpu_profile(1s), Contains("no answer within 1.03 s"));
}

TEST_CASE("a profile that cannot be read is told with the place", "[client][threads]") {
    const scripted_server server("{\"command\":\"wait_profile\",\"result\":{\"kind\":7}}\n");
    CHECK_THROWS_WITH(server.client().wait_profile(),
                      Contains("to wait_profile cannot be read") && Contains("$.result.kind"));
}

TEST_CASE("a server that never ends its line runs into the timeout", "[client][threads]") {
    const scripted_server server("{\"result\":", false);
    client_options options;
    options.timeout = 30ms;
    CHECK(failure_of(server.client(options)) == client_failure::timeout);
}

TEST_CASE("what is no answer of ours is told as such", "[client][threads]") {
    const auto answer =
        GENERATE("HTTP/1.1 400 Bad Request\r\n\r\n", "[]\n", "{\"command\":\"x\"}\n",
                 "{\"command\":\"tasks\",\"result\":[{\"id\":-1}]}\n",
                 "{\"command\":\"tasks\",\"result\":{}}\n", "", "{\"result\":[]}");
    CAPTURE(answer);
    const scripted_server server(answer);
    CHECK(failure_of(server.client()) == client_failure::broken);
}

TEST_CASE("an answer over the limit is refused", "[client][threads]") {
    const scripted_server server(std::string(200'000, ' ') + "\n");
    client_options options;
    options.max_reply_bytes = 1'000;
    CHECK(failure_of(server.client(options)) == client_failure::broken);
}

TEST_CASE("an error of the server comes with its code and the known commands",
          "[client][threads]") {
    const scripted_server server(
        R"({"error":{"code":"unknown_command","message":"no such","known":["a","b"]}})"
        "\n");
    try {
        (void)server.client().findings();
        FAIL("the client had an answer");
    } catch (const client_error& error) {
        CHECK(error.failure() == client_failure::refused);
        REQUIRE(error.reply_error());
        CHECK(error.reply_error()->code == protocol::error_code::unknown_command);
        CHECK_THAT(error.what(), Contains("refused findings: no such (known: a, b)"));
    }
}

TEST_CASE("a raw request is sent as it is and its reply comes back as it is", "[client][threads]") {
    const scripted_server server("{\"error\":{\"code\":\"x\"}}\n");
    const auto reply = server.client().request({{"strange", "value"}});
    CHECK(reply["error"]["code"] == "x");
    CHECK(server.request == R"({"strange":"value"})");
}

TEST_CASE("a host that cannot be resolved is a failure to connect", "[client]") {
    CHECK(failure_of({"no such host", 1}) == client_failure::connect);
}
