// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/protocol/framer.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace coroscope::profiler_server::protocol;

namespace {

// What comes out of a whole stream that arrives in pieces of the same size.
std::vector<std::string> cut(std::string_view stream, std::size_t piece, frame_limits limits = {}) {
    framer framer(limits);
    std::vector<std::string> events;
    while (!stream.empty()) {
        auto bytes = stream.substr(0, piece);
        stream.remove_prefix(bytes.size());
        while (true) {
            const auto step = framer.feed(bytes);
            bytes.remove_prefix(step.consumed);
            if (step.status == frame_status::incomplete) { break; }
            if (step.status == frame_status::too_large) {
                events.push_back("too large");
                return events;
            }
            events.push_back(step.status == frame_status::complete ? step.frame
                                                                   : "bad: " + step.problem);
        }
        REQUIRE(bytes.empty());
    }
    return events;
}

using events = std::vector<std::string>;

}  // namespace

TEST_CASE("an object is complete at its last brace", "[protocol]") {
    framer framer;
    const auto step = framer.feed(R"({"command":"tasks"}more)");
    CHECK(step.status == frame_status::complete);
    CHECK(step.frame == R"({"command":"tasks"})");
    CHECK(step.consumed == 19);
    CHECK_FALSE(framer.inside());
}

TEST_CASE("a framer is inside between the first brace and the last", "[protocol]") {
    framer framer;
    (void)framer.feed(" \r\n");
    CHECK_FALSE(framer.inside());
    (void)framer.feed("{");
    CHECK(framer.inside());
    (void)framer.feed("\"a\":{}");
    CHECK(framer.inside());
}

TEST_CASE("pieces of any size give the same frames", "[protocol]") {
    const std::string stream =
        " \n{\"a\": \"}{\\\"}\\\\\"}\r\n{\"b\":[{},{\"c\":[]}]}{\"d\":1}\n\n";
    const events expected{"{\"a\": \"}{\\\"}\\\\\"}", "{\"b\":[{},{\"c\":[]}]}", "{\"d\":1}"};
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        CAPTURE(piece);
        CHECK(cut(stream, piece) == expected);
    }
}

TEST_CASE("what does not begin with a brace is malformed at once, up to the newline",
          "[protocol]") {
    const auto piece = GENERATE(1U, 2U, 5U, 100U);
    CAPTURE(piece);
    CHECK(cut("GET / HTTP/1.1\n{\"a\":1}", piece)
          == events{"bad: a request begins with {", "{\"a\":1}"});
    CHECK(cut("[{\"a\":1}]\n \n{}", piece) == events{"bad: a request begins with {", "{}"});
}

TEST_CASE("a string that never closes ends with its line", "[protocol]") {
    const auto piece = GENERATE(1U, 3U, 100U);
    CAPTURE(piece);
    CHECK(
        cut("{\"a\":\"oops\n{\"b\":1}", piece)
        == events{"bad: a string holds a control character, or has no closing quote", "{\"b\":1}"});
}

TEST_CASE("nesting is bounded", "[protocol]") {
    CHECK(cut("{\"a\":[[1]]}", 100, {1000, 3}) == events{"{\"a\":[[1]]}"});
    CHECK(cut("{\"a\":[[[1]]]}\n{}", 100, {1000, 3}) == events{"bad: nested too deeply", "{}"});
}

TEST_CASE("a frame of exactly the limit passes and one byte more does not", "[protocol]") {
    const auto piece = GENERATE(1U, 3U, 100U);
    CAPTURE(piece);
    CHECK(cut("{\"a\":12}", piece, {8, 3}) == events{"{\"a\":12}"});
    CHECK(cut("{\"a\":123}", piece, {8, 3}) == events{"too large"});
}

TEST_CASE("the limit counts for each frame, not for the stream", "[protocol]") {
    CHECK(cut("{\"a\":1}{\"b\":2}          {\"c\":3}", 4, {8, 3}).size() == 3);
}

TEST_CASE("after a frame that is too large nothing is taken", "[protocol]") {
    framer framer({4, 3});
    CHECK(framer.feed("{\"abc\"").status == frame_status::too_large);
    const auto step = framer.feed("\n{}");
    CHECK(step.status == frame_status::too_large);
    CHECK(step.consumed == 0);
}

TEST_CASE("brackets that do not match still end the frame", "[protocol]") {
    CHECK(cut("{]{}", 100) == events{"{]", "{}"});
}
