// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/duration_text.hpp>

#include "support/catch.hpp"

#include <limits>

using namespace coroscope::report;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their unit", "[report]") {
    CHECK(parse_duration("5ms") == 5ms);
    CHECK(parse_duration("100us") == 100us);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("0.000000001s") == 1ns);
    CHECK(parse_duration("250ns") == 250ns);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("0") == 0ns);
    CHECK(parse_duration("0s") == 0ns);
    CHECK(parse_duration("1.50ns").has_value() == false);
    CHECK(parse_duration("1.0ns") == 1ns);
}

TEST_CASE("what is not exactly a duration is refused", "[report]") {
    const auto text = GENERATE("", "5", "ms", "-5ms", "+5ms", " 5ms", "5ms ", "5 ms", "5MS",
                               "5msec", "1e3ms", ".5s", "5.s", "1.2.3s", "5,5s", "0x5ms", "5ms5us",
                               "inf", "nan", "0.5ns", "5\xc2\xb5s", "00");
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
}

TEST_CASE("durations beyond 292 years are refused, not wrapped", "[report]") {
    CHECK(parse_duration("9223372036854775807ns") == std::chrono::nanoseconds::max());
    CHECK_FALSE(parse_duration("9223372036854775808ns").has_value());
    CHECK_FALSE(parse_duration("99999999999999999999999h").has_value());
    CHECK_FALSE(parse_duration("2562048h").has_value());
    CHECK_FALSE(parse_duration("9223372036.9s").has_value());
}

TEST_CASE("durations are written for people", "[report]") {
    CHECK(format_duration(0ns) == "0");
    CHECK(format_duration(812ns) == "812 ns");
    CHECK(format_duration(5210us) == "5.21 ms");
    CHECK(format_duration(52100us) == "52.1 ms");
    CHECK(format_duration(1500ms) == "1.50 s");
    CHECK(format_duration(125s) == "2 m 05 s");
    CHECK(format_duration(3h + 12min) == "3 h 12 m");
    CHECK(format_duration(50h) == "2 d 02 h");
    CHECK(format_duration(-5ms) == "-5.00 ms");
}

TEST_CASE("rounding never shows a thousand of the smaller unit or sixty of one", "[report]") {
    CHECK(format_duration(999'499ns) == "999 us");
    CHECK(format_duration(999'600ns) == "1.00 ms");
    CHECK(format_duration(999'960us) == "1.00 s");
    CHECK(format_duration(9'996us) == "10.0 ms");
    CHECK(format_duration(59'960ms) == "1 m 00 s");
    CHECK(format_duration(119'600ms) == "2 m 00 s");
}

TEST_CASE("the extremes are written without overflow", "[report]") {
    CHECK(format_duration(std::chrono::nanoseconds::max()) == "106751 d 23 h");
    CHECK(format_duration(std::chrono::nanoseconds::min()) == "-292 years");
}
