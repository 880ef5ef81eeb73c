// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/catch.hpp>

using namespace std::chrono_literals;

coroscope::coro<int> answer_after(coroscope::duration delay) {
    co_await coroscope::sleep_for(delay);
    co_return 42;
}

CO_TEST_CASE("an answer takes a day", "[answer]") {
    const auto began = coroscope::get_running_loop().time();
    CO_REQUIRE(co_await answer_after(24h) == 42);
    CO_REQUIRE(coroscope::get_running_loop().time() - began == 24h);
}
