// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/tracked.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>

using namespace coroscope;
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

namespace {

coro<> set_later(shared<int>& version) {
    co_await yield_now();
    version.set(1);
}

/// Tries until nobody has changed it meanwhile.
coro<> wait_for_rest(shared<int>& version) {
    for (;;) {
        const auto seen = version.get();
        co_await yield_now();
        if (version.get() == seen) { co_return; }
    }
}

struct compared {
    std::uint64_t old_one = 0;
    std::uint64_t with_itself = 0;
    std::uint64_t with_another = 0;
};

coro<> compare(const shared<int>& x, const shared<int>& y, compared& segments) {
    const auto old = x.get();
    co_await yield_now();
    segments = {old.origin().segment, (old == x.get()).origin().segment,
                (y.get() == old).origin().segment};
}

}  // namespace

TEST_CASE("to compare what was read with what is there now is to look again") {
    raced_loop v;
    shared<int> version(0, "version");
    v.start(wait_for_rest(version), "reader");
    v.start(set_later(version), "writer");
    v.run();
    for (const auto& each : v.races.findings()) {
        INFO(each.message);
        CHECK(each.rule.empty());
    }
}

TEST_CASE("of a comparison with another variable the older read is what is tested") {
    raced_loop v;
    const shared<int> x(0, "x");
    const shared<int> y(0, "y");
    compared segments;
    v.start(compare(x, y, segments), "reader");
    v.run();
    CHECK(segments.with_itself > segments.old_one);
    CHECK(segments.with_another == segments.old_one);
}
