// SPDX-License-Identifier: Apache-2.0
// Everything that the test kit offers for Catch2, compiled against declarations of version 3. Never
// linked.
#include <coroscope/testkit/catch_main.hpp>

#include <coroscope/testkit/catch_explore.hpp>

#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>

#if COROSCOPE_CATCH_VERSION != 3
#error "this must find the declarations of version 3 before the installed headers"
#endif

namespace {

coroscope::coro<int> answer() {
    co_await coroscope::sleep_for(std::chrono::seconds(1));
    co_return 42;
}

struct fixture {
    coroscope::coro<> set_up() { value = co_await answer(); }
    int value = 0;
};

template <class T>
struct typed_fixture {
    T value{};
};

}  // namespace

CO_TEST_CASE("free", "[tag]") {
    CO_REQUIRE(co_await answer() == 42);
    CO_REQUIRE_FALSE(co_await answer() == 41);
    CO_CHECK(co_await answer());
    CO_CHECK_FALSE(false);
    CO_CHECK_THROWS_AS(co_await answer(), std::runtime_error);
    CO_REQUIRE_THROWS_AS(co_await answer(), std::runtime_error);
    CO_FAIL("got " << 3);
}

CO_TEST_CASE_METHOD(fixture, "method", "[tag]") {
    CO_CHECK(value == co_await answer());
}

CO_TEMPLATE_TEST_CASE("template", "[tag]", int, long) {
    CO_CHECK(TestType{} == co_await answer());
}

CO_TEMPLATE_TEST_CASE_METHOD(typed_fixture, "template method", "[tag]", int, long) {
    CO_CHECK(this->value == co_await answer());
}

CO_EXPLORE_TEST_CASE("explored", "[tag]") {
    CO_CHECK(co_await answer() == 42);
}

int main(int argc, char** argv) {
    return coroscope::testkit::catch_main(argc, argv);
}
