// SPDX-License-Identifier: Apache-2.0
// Which steps of an execution some schedule runs the other way round, and which are tried first.

#include "explore/reversal.hpp"

#include "support/catch.hpp"

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

using coroscope::await_site;
using coroscope::detail::access_kind;
using coroscope::testkit::detail::agent_index;
using coroscope::testkit::detail::agent_tree;
using coroscope::testkit::detail::candidate;
using coroscope::testkit::detail::execution_order;
using coroscope::testkit::detail::find_reversals;
using coroscope::testkit::detail::reversal;
using kind = coroscope::testkit::detail::reversal::kind;

namespace {

/// An execution as it is told to an `execution_order`. The body's first step is step 0.
class written_execution {
public:
    written_execution() {
        order_.begin(agents_);
        ready_.push_back(agent_tree::body);
    }

    /// Made in the present step, and ready after it.
    [[nodiscard]] agent_index make(agent_index by = agent_tree::body) {
        const auto made = agents_.add(by, true);
        order_.on_created(made, by);
        made_.push_back(made);
        return made;
    }
    /// The agent, which is ready, runs, and is ready again; or not.
    void step(agent_index runs, bool goes_on = true, await_site at = {}) {
        ready_.insert(ready_.end(), made_.begin(), made_.end());
        made_.clear();
        std::vector<candidate> offered;
        for (const auto each : ready_) {
            offered.push_back({each, {}});
        }
        order_.on_ready(offered);
        order_.on_step({runs, at});
        std::erase(ready_, runs);
        if (goes_on) { made_.push_back(runs); }
    }
    void wake(agent_index who) { made_.push_back(who); }
    void read(const int& thing) { note(thing, sizeof thing, access_kind::read, false); }
    void write(const int& thing) { note(thing, sizeof thing, access_kind::write, false); }
    void change(const int& object) { note(object, 0, access_kind::release, true); }
    void pass(const int& object) { note(object, 0, access_kind::acquire, false); }
    void look(const int& object) { note(object, 0, access_kind::test, false); }

    [[nodiscard]] std::vector<reversal> seen() {
        auto found = find_reversals(order_);
        std::erase_if(found, [](const reversal& r) { return r.why == kind::unseen; });
        return found;
    }
    /// Two agents take turns, and use `each_uses` things in each step that nobody else uses.
    void take_turns(std::uint32_t steps, const std::vector<int>& things, std::uint32_t each_uses) {
        step(agent_tree::body, false);
        const std::array<agent_index, 2> both{make(), make()};
        for (std::uint32_t i = 0; i < steps; ++i) {
            step(both[i % 2]);
            for (std::uint32_t u = 0; u < each_uses; ++u) {
                write(things[(i % 2) * each_uses + u]);
            }
        }
    }
    [[nodiscard]] execution_order& order() noexcept { return order_; }

private:
    void note(const int& object, std::size_t bytes, access_kind what, bool changes) {
        order_.on_access({&object, bytes, what, {}, nullptr, changes});
    }

    agent_tree agents_;
    execution_order order_;
    std::vector<agent_index> ready_;
    std::vector<agent_index> made_;
};

using steps = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

[[nodiscard]] steps pairs_of(const std::vector<reversal>& all) {
    steps pairs;
    for (const auto& each : all) {
        pairs.emplace_back(each.earlier, each.later);
    }
    return pairs;
}

}  // namespace

TEST_CASE("steps that use one thing are turned round, unless one makes the other possible") {
    int x = 0;
    written_execution e;
    e.step(agent_tree::body, false);
    const auto a = e.make();
    const auto b = e.make();
    e.step(a, false);  // 1
    e.write(x);
    const auto child = e.make(a);
    e.step(b, false);  // 2
    e.read(x);
    e.step(child, false);  // 3
    e.read(x);
    const auto found = e.seen();
    CHECK(pairs_of(found) == steps{{1, 2}});
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].why == kind::conflict);
    const auto all = find_reversals(e.order());
    CHECK(pairs_of(all) == steps{{1, 2}, {2, 3}});
    CHECK(all.back().why == kind::unseen);
}

TEST_CASE("a step that comes between two that belong together is tried first") {
    int x = 0;
    int y = 0;
    written_execution e;
    e.step(agent_tree::body, false);
    const auto a = e.make();
    const auto b = e.make();
    const auto c = e.make();
    e.step(c, false);  // 1
    e.write(y);
    e.step(a);  // 2
    e.read(x);
    e.step(a, false);  // 3
    e.write(x);
    e.step(b);  // 4
    e.read(y);
    e.step(b, false);  // 5
    e.read(x);
    const auto found = e.seen();
    CHECK(pairs_of(found) == steps{{3, 5}, {1, 4}});
    REQUIRE(found.size() == 2);
    CHECK(found[0].why == kind::comes_between);
    CHECK(found[1].why == kind::conflict);
}

TEST_CASE("half of an update may be seen by who came before it") {
    int x = 0;
    written_execution e;
    e.step(agent_tree::body, false);
    const auto reader = e.make();
    const auto writer = e.make();
    e.step(reader, false);  // 1
    e.read(x);
    e.step(writer);  // 2
    e.write(x);
    e.step(writer, false);  // 3
    e.write(x);
    const auto found = e.seen();
    CHECK(pairs_of(found) == steps{{1, 2}, {1, 3}});
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].why == kind::comes_between);
}

TEST_CASE("a wait that has ended comes after the one step that could end it") {
    int done = 0;
    int x = 0;
    for (const int ends : {1, 2}) {
        written_execution e;
        e.step(agent_tree::body);
        const auto a = e.make();
        const auto b = e.make();
        e.step(a, false);  // 1
        e.write(x);
        e.change(done);
        e.step(b, false);  // 2
        if (ends == 2) {
            e.write(x);
            e.change(done);
        }
        e.step(agent_tree::body, false);  // 3, which had not to wait
        e.pass(done);
        e.read(x);
        CAPTURE(ends);
        const auto pairs = pairs_of(e.seen());
        CHECK(std::ranges::count(pairs, 3U, &steps::value_type::second) == (ends == 1 ? 0 : 2));
    }
}

TEST_CASE("who looks and then waits is turned round after all others") {
    int done = 0;
    int x = 0;
    written_execution e;
    e.step(agent_tree::body, false);
    const auto waiter = e.make();
    const auto worker = e.make();
    const auto other = e.make();
    e.step(waiter, false);  // 1
    e.look(done);
    e.step(other, false);  // 2
    e.read(x);
    e.step(worker, false);  // 3
    e.write(x);
    e.change(done);
    e.wake(waiter);
    e.step(waiter, false);  // 4
    const auto found = e.seen();
    CHECK(pairs_of(found) == steps{{2, 3}, {1, 3}});
    REQUIRE(found.size() == 2);
    CHECK(found[1].why == kind::waits);
}

TEST_CASE("of steps at the same places, one pair comes before the others of all places") {
    int x = 0;
    int y = 0;
    const auto here = await_site::current();
    const auto there = await_site::current();
    written_execution e;
    e.step(agent_tree::body, false);
    std::vector<agent_index> writers{e.make(), e.make(), e.make()};
    const auto reader = e.make();
    for (const auto each : writers) {  // 1 to 3
        e.step(each, false, here);
        e.write(x);
        if (each == writers[0]) { e.write(y); }
    }
    e.step(reader, false, there);  // 4
    e.read(y);
    CHECK(pairs_of(e.seen()) == steps{{1, 2}, {1, 4}, {2, 3}, {1, 3}});
    const auto few = find_reversals(e.order(), {2, 1});
    CHECK(few.size() == 3);
    CHECK(few[2].why == kind::unseen);
    CHECK(find_reversals(e.order(), {0, 0}).empty());
}

TEST_CASE("of a long execution the first steps alone are looked at, and ordered") {
    written_execution e;
    e.take_turns(2'500, {}, 0);
    CHECK(e.order().size() == 2'501);
    const auto found = find_reversals(e.order());
    REQUIRE_FALSE(found.empty());
    CHECK(std::ranges::all_of(found, [](const reversal& r) { return r.later < 2'000; }));
    CHECK(e.order().size() == 2'000);
}

TEST_CASE("of steps with very many uses fewer are looked at") {
    const std::vector<int> things(1'000);
    int x = 0;
    for (const std::uint32_t count : {10U, 60U}) {
        CAPTURE(count);
        written_execution e;
        e.take_turns(count, things, 500);
        const auto late = e.make();
        e.write(x);
        e.step(late, false);
        e.write(x);
        e.step(1, false);
        e.read(x);
        CHECK(e.seen().empty() == (count == 60U));
    }
}
