// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/stack.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;

TEST_CASE("a stack survives the way through JSON", "[report]") {
    const stack stack{{{"deflate", "zlib/deflate.c", 77, "libz.so.1", 0x7f00deadbeefU, true},
                       {"main", "", 0, "", 0, false}},
                      true};
    const auto json = to_json(stack);
    CHECK(json["frames"][0]["address"] == "0x7f00deadbeef");
    CHECK(read_stack(json_view(json)) == stack);
}

TEST_CASE("the largest address survives", "[report]") {
    const stack_frame frame{"f", "", 0, "", UINT64_MAX, false};
    const auto json = to_json(frame);
    CHECK(read_stack_frame(json_view(json)) == frame);
}

TEST_CASE("an address that is not hexadecimal is refused", "[report]") {
    const auto text = GENERATE("401136", "0x", "0xzz", "0x12 ", "0x11112222333344445", "");
    CAPTURE(text);
    const nlohmann::json json{{"function", "f"}, {"address", text}};
    CHECK_THROWS_AS(read_stack_frame(json_view(json)), report_error);
}
