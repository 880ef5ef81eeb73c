// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/error.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::profiler_server::protocol;
using coroscope::report::json_view;

TEST_CASE("an error survives the way through JSON", "[protocol]") {
    const auto code =
        GENERATE(error_code::malformed, error_code::missing_command, error_code::unknown_command,
                 error_code::bad_argument, error_code::frame_too_large, error_code::timeout,
                 error_code::too_many_connections, error_code::busy, error_code::unavailable,
                 error_code::internal);
    const protocol_error error{code, "what to do", {"a", "b"}};
    const auto json = to_json(error);
    CHECK(read_protocol_error(json_view(json)) == error);
    CHECK(to_string(code) != "other");
}

TEST_CASE("known commands are told only where there are some", "[protocol]") {
    CHECK_FALSE(to_json(protocol_error{error_code::timeout, "late", {}}).contains("known"));
}

TEST_CASE("a code from a newer server is told apart from ours", "[protocol]") {
    const nlohmann::json json{{"code", "teapot"}, {"message", "short and stout"}};
    CHECK(read_protocol_error(json_view(json)).code == error_code::other);
}

TEST_CASE("an error without a message is refused", "[protocol]") {
    const nlohmann::json json{{"code", "timeout"}};
    CHECK_THROWS_AS(read_protocol_error(json_view(json)), coroscope::report::report_error);
}
