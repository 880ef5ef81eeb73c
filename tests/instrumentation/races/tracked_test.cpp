// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/tracked.hpp>

#include <coroscope/instrumentation/races/shared.hpp>

#include "support/catch.hpp"

#include <sstream>
#include <string>
#include <type_traits>

using namespace coroscope::instrumentation;

TEST_CASE("tracked values compute and compare as plain ones do") {
    const shared<int> x(7);
    const auto a = x.get();
    CHECK(static_cast<int>(a + 1) == 8);
    CHECK(static_cast<int>(10 - a) == 3);
    CHECK(static_cast<int>(a * a) == 49);
    CHECK(static_cast<int>(a / 2) == 3);
    CHECK(static_cast<int>(a % 4) == 3);
    CHECK(static_cast<int>((a & 3) | 8) == 11);
    CHECK(static_cast<int>(a ^ 1) == 6);
    CHECK(static_cast<int>(a << 1) == 14);
    CHECK(static_cast<int>(a >> 1) == 3);
    CHECK(static_cast<int>(-a) == -7);
    CHECK(static_cast<int>(~a) == ~7);
    CHECK(static_cast<bool>(a == 7));
    CHECK(static_cast<bool>(a != 8));
    CHECK(static_cast<bool>(6 < a));
    CHECK(static_cast<bool>(a <= 7));
    CHECK(static_cast<bool>(a > 6));
    CHECK(static_cast<bool>(a >= a));
    CHECK_FALSE(static_cast<bool>(!a));
}

TEST_CASE("what is computed from a tracked value keeps its origin") {
    const shared<int> x(7);
    const auto sum = x.get() + 1;
    CHECK(sum.origin().object == x.address());
    CHECK((sum > 3).origin().object == x.address());
    const shared<bool> flag(true);
    CHECK((!flag.get()).origin().object == flag.address());
}

TEST_CASE("tracked values become plain ones by themselves") {
    const shared<int> x(7);
    const int plain = x.get();
    CHECK(plain == 7);
    const shared<std::string> name(std::string("ada"));
    const std::string text = name.get() + " l.";
    CHECK(text == "ada l.");
    CHECK(name.get()->size() == 3);
    std::ostringstream out;
    out << x.get();
    CHECK(out.str() == "7");
    const shared<int*> null(nullptr);
    CHECK_FALSE(static_cast<bool>(null.get()));
}
