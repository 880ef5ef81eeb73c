// SPDX-License-Identifier: Apache-2.0
// A timeout within a circle of tasks that await each other ends as a timeout.

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/loop.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <optional>

using namespace std::chrono_literals;

namespace {

using shared_task = std::optional<coroscope::task<>>;

coroscope::coro<> join(shared_task& other) {
    co_await *other;
}

coroscope::coro<> join_with_timeout(shared_task& other) {
    co_await coroscope::wait_for(*other, 1ms);
}

}  // namespace

TEST_CASE("a timeout breaks an await cycle and stays a timeout", "[task]") {
    coroscope::loop l;
    for (int length = 2; length <= 5; ++length) {
        std::vector<shared_task> circle(static_cast<std::size_t>(length));
        for (std::size_t i = 0; i + 1 < circle.size(); ++i) {
            circle[i] = l.create_task(join(circle[i + 1]));
        }
        circle.back() = l.create_task(join_with_timeout(circle.front()));
        CHECK_THROWS_AS(l.run_until_complete(*circle.back()), coroscope::timeout_error);
        CHECK(circle.front()->cancelled());
    }
}
