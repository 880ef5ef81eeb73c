// SPDX-License-Identifier: Apache-2.0
// Sampling strategies go by what steps use, where that is reported.

#include "explore/learned_uses.hpp"

#include "support/catch.hpp"

#include <coroscope/testkit/explore.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <map>
#include <string>

using coroscope::coro;
using coroscope::detail::access_kind;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::strategy;
using coroscope::testkit::detail::learned_uses;
using coroscope::testkit::detail::step_key;

namespace {

/// Says that it is used, if anybody listens, and it is to be said.
void use(const int& variable, access_kind kind, bool says_so = true) {
    auto* const listener = coroscope::detail::access_listener;
    if (says_so && listener != nullptr) {
        listener->on_access({&variable, sizeof variable, kind, {}, nullptr});
    }
}

/// Uses the variable once, early or late.
coro<> note(int& variable, std::string& order, char letter, int before, int after, bool says_so) {
    for (int i = 0; i < before; ++i) {
        co_await coroscope::yield_now();
    }
    use(variable, access_kind::write, says_so);
    order += letter;
    for (int i = 0; i < after; ++i) {
        co_await coroscope::yield_now();
    }
}

coro<> three_notes(std::string& order, bool says_so) {
    int variable = 0;
    co_await coroscope::gather(note(variable, order, 'a', 0, 8, says_so),
                               note(variable, order, 'b', 4, 4, says_so),
                               note(variable, order, 'c', 8, 0, says_so));
}

/// How often the rarest of the six orders of three writes came in 600 executions.
int rarest_order(strategy s, bool says_so) {
    std::map<std::string, int> seen;
    std::string order;
    const auto body = [&] {
        if (order.size() == 3) { ++seen[order]; }
        order.clear();
        return three_notes(order, says_so);
    };
    explore_options options;
    options.strategy = s;
    options.seed = 1;
    options.max_executions = 601;
    options.checked_executions = 0;
    REQUIRE(explore(body, options).ok());
    if (seen.size() < 6) { return 0; }
    return std::ranges::min_element(seen, {}, [](const auto& each) { return each.second; })->second;
}

}  // namespace

TEST_CASE("what steps use is learned from an execution", "[explore]") {
    int shared = 0;
    int own = 0;
    int only_read = 0;
    const coroscope::detail::access reads{&shared, sizeof shared, access_kind::read, {}, nullptr};
    const coroscope::detail::access writes{&shared, sizeof shared, access_kind::write, {}, nullptr};
    learned_uses uses;
    const auto run = [&] {
        uses.begin();
        uses.on_created(1, 0);
        uses.on_step(1);
        uses.on_use({&only_read, sizeof only_read, access_kind::read, {}, nullptr});
        uses.on_created(2, 1);
        uses.on_created(3, 1);
        uses.on_step(2);
        uses.on_use(reads);
        uses.on_use({&own, sizeof own, access_kind::write, {}, nullptr});
        uses.on_step(3);
        uses.on_use({&only_read, sizeof only_read, access_kind::read, {}, nullptr});
        uses.on_step(3);
        uses.on_use(writes);
        uses.on_use({&uses, 0, access_kind::release, {}, nullptr});
    };
    run();
    CHECK(uses.things() == 0);
    uses.learn();
    REQUIRE(uses.things() == 1);  // neither what one agent has, nor what is only read, nor a lock

    CHECK(uses.uses({2, 0}, 0));
    CHECK_FALSE(uses.uses({3, 0}, 0));
    CHECK(uses.uses({3, 1}, 0));
    CHECK(uses.do_conflict({2, 0}, {3, 1}));
    CHECK(uses.do_conflict({3, 1}, {3, 1}));
    CHECK_FALSE(uses.do_conflict({2, 0}, {2, 0}));
    CHECK_FALSE(uses.do_conflict({1, 0}, {3, 1}));

    uses.begin();
    uses.on_created(1, 0);
    CHECK(uses.left(1, 0) == 2);  // those of its children, who do not exist yet
    uses.on_created(2, 1);
    CHECK(uses.left(1, 0) == 1);
    CHECK(uses.left(2, 0) == 1);
    CHECK(uses.next(2) == step_key{2, 0});
    uses.on_step(2);
    CHECK(uses.left(2, 0) == 0);
}

TEST_CASE("the selective walk makes all orders of one variable's uses as likely", "[explore]") {
    // A hundred would be even. By lines it cannot tell the writes from what is around them.
    CHECK(rarest_order(strategy::selective_walk, true) > 60);
    CHECK(rarest_order(strategy::selective_walk, false) < 40);
    CHECK(rarest_order(strategy::random_walk, true) < 40);
}

TEST_CASE("partial order sampling draws anew for steps that use one variable", "[explore]") {
    CHECK(rarest_order(strategy::partial_order_sampling, true)
          > rarest_order(strategy::partial_order_sampling, false));
}
