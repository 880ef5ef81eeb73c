// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/io_policy.hpp>

#include "support/catch.hpp"

#include <stdexcept>

using namespace std::chrono_literals;
using coroscope::testkit::io_policy;

TEST_CASE("an I/O policy knows what it is and how long", "[io_policy]") {
    CHECK(io_policy::hold().what() == io_policy::kind::hold);
    CHECK(io_policy::hold().length() == 100ms);
    CHECK(io_policy::hold(5ms).length() == 5ms);
    CHECK(io_policy::step(2ms).what() == io_policy::kind::step);
    CHECK(io_policy::step(2ms).length() == 2ms);
    CHECK(io_policy::ignore().what() == io_policy::kind::ignore);
    CHECK(io_policy::forbid().what() == io_policy::kind::forbid);
    CHECK(io_policy::hold(1s) == io_policy::hold(1000ms));
    CHECK(io_policy::hold(1s) != io_policy::hold(2s));
}

TEST_CASE("a step of no length is refused", "[io_policy]") {
    CHECK_THROWS_AS(io_policy::step(0ms), std::invalid_argument);
    CHECK_THROWS_AS(io_policy::step(-1ms), std::invalid_argument);
}
