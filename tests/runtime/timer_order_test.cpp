// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/timer_queue.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

using coroscope::time_point;
using coroscope::detail::timer_node;
using coroscope::detail::timer_queue;
using namespace std::chrono_literals;

namespace {

time_point at(std::int64_t ns) {
    return time_point(coroscope::duration(ns));
}

/// Timers beside the plainest model of them: a list in the order of arming.
struct model {
    struct armed {
        std::int64_t deadline;
        std::size_t order;
        timer_node* node;
    };

    timer_queue queue;
    std::vector<std::unique_ptr<timer_node>> nodes;
    std::vector<armed> expected;

    void arm(std::int64_t deadline) {
        nodes.push_back(std::make_unique<timer_node>());
        queue.arm(*nodes.back(), at(deadline));
        expected.push_back({deadline, nodes.size(), nodes.back().get()});
    }
    void disarm(std::size_t index) {
        queue.disarm(*expected[index].node);
        expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(index));
    }
    [[nodiscard]] std::vector<timer_node*> take_expected(std::int64_t now) {
        const auto is_due = [now](const armed& a) {
            return a.deadline <= now;
        };
        std::vector<armed> due;
        std::copy_if(expected.begin(), expected.end(), std::back_inserter(due), is_due);
        std::sort(due.begin(), due.end(), [](const armed& a, const armed& b) {
            return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
        });
        std::erase_if(expected, is_due);
        std::vector<timer_node*> order;
        for (const auto& each : due) {
            order.push_back(each.node);
        }
        return order;
    }
    [[nodiscard]] std::vector<timer_node*> take(std::int64_t now) {
        std::vector<timer_node*> order;
        queue.pop_due(at(now), [&order](timer_node& node) { order.push_back(&node); });
        return order;
    }
};

}  // namespace

TEST_CASE("timers come out by deadline, and equal ones in the order of arming", "[timers]") {
    model m;
    for (const auto deadline : {5, 3, 5, 1, 3, 5}) {
        m.arm(deadline);
    }
    CHECK(m.queue.size() == 6);
    CHECK(m.queue.next_deadline() == at(1));
    const auto expected = m.take_expected(4);
    CHECK(m.take(4) == expected);
    CHECK(m.queue.next_deadline() == at(5));
    const auto last = m.take_expected(5);
    CHECK(m.take(5) == last);
    CHECK(m.queue.empty());
}

TEST_CASE("a disarmed timer never comes out, and its place may be armed again", "[timers]") {
    model m;
    m.arm(1);
    m.arm(2);
    timer_node& first = *m.expected[0].node;
    m.disarm(0);
    CHECK_FALSE(first.armed());
    m.queue.disarm(first);  // once more changes nothing
    CHECK(m.queue.size() == 1);
    CHECK(m.queue.next_deadline() == at(2));
    m.queue.arm(first, at(2));
    const auto order = m.take(2);
    REQUIRE(order.size() == 2);
    CHECK(order[1] == &first);
    CHECK(m.queue.deadlines().empty());
}

TEST_CASE("any mix of arming, disarming and advancing agrees with the plain model", "[timers]") {
    std::mt19937 random(7);
    const auto up_to = [&random](std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n)(random);
    };
    for (int round = 0; round < 60; ++round) {
        model m;
        std::int64_t now = 0;
        // Few deadlines make many ties; many timers at once reach the picking and sorting.
        const auto range = round % 3 == 0 ? 5U : 100'000U;
        for (int action = 0; action < 40; ++action) {
            for (auto n = up_to(200); n > 0; --n) {
                m.arm(now + 1 + static_cast<std::int64_t>(up_to(range)));
            }
            for (auto n = up_to(m.expected.size()) / (action % 5 == 0 ? 1 : 8); n > 0; --n) {
                m.disarm(up_to(m.expected.size() - 1));
            }
            REQUIRE(m.queue.size() == m.expected.size());
            now += static_cast<std::int64_t>(up_to(range / 2));
            const auto expected = m.take_expected(now);
            const auto order = m.take(now);
            REQUIRE(order == expected);
            REQUIRE(m.queue.deadlines().size() == m.expected.size());
        }
    }
}

TEST_CASE("what throws while timers are taken leaves the others armed, in order", "[timers]") {
    model m;
    for (int i = 0; i < 1000; ++i) {
        m.arm(1000 - i);
    }
    auto expected = m.take_expected(1000);
    std::size_t taken = 0;
    const auto fail_at_500 = [&taken](timer_node&) {
        if (++taken == 500) { throw std::runtime_error("no"); }
    };
    CHECK_THROWS_AS(m.queue.pop_due(at(1000), fail_at_500), std::runtime_error);
    CHECK(m.queue.size() == 500);
    expected.erase(expected.begin(), expected.begin() + 500);
    CHECK(m.take(1000) == expected);
}
