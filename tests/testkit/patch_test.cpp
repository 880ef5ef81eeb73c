// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/patch.hpp>

#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

using coroscope::testkit::patch;

namespace {

int one() {
    return 1;
}
int two() {
    return 2;
}

struct service {
    std::function<int()> ask = one;
    int (*tell)() = one;
    std::string name = "real";
    std::unique_ptr<int> owned = std::make_unique<int>(1);
};

}  // namespace

TEST_CASE("a patch lasts as long as its scope", "[patch]") {
    service s;
    {
        const auto ask = patch(s.ask, two);
        const auto tell = patch(s.tell, two);
        const auto name = patch(s.name, "fake");
        CHECK(s.ask() == 2);
        CHECK(s.tell() == 2);
        CHECK(s.name == "fake");
    }
    CHECK(s.ask() == 1);
    CHECK(s.tell() == 1);
    CHECK(s.name == "real");
}

TEST_CASE("a replacement may call what it replaces", "[patch]") {
    service s;
    auto replaced = patch(s.ask, std::function<int()>());
    s.ask = [&] {
        return replaced.original()() + 10;
    };
    CHECK(s.ask() == 11);
}

TEST_CASE("patches nest", "[patch]") {
    service s;
    const auto outer = patch(s.name, "outer");
    {
        const auto inner = patch(s.name, "inner");
        CHECK(s.name == "inner");
    }
    CHECK(s.name == "outer");
}

TEST_CASE("a patch is undone by an exception, and whatever was assigned meanwhile", "[patch]") {
    service s;
    const auto fail = [&] {
        const auto scope = patch(s.owned, std::make_unique<int>(2));
        s.owned = nullptr;
        throw std::runtime_error("in the middle");
    };
    CHECK_THROWS_AS(fail(), std::runtime_error);
    REQUIRE(s.owned != nullptr);
    CHECK(*s.owned == 1);
}
