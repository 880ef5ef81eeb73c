// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop_table.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <thread>

using namespace coroscope;

namespace {

std::optional<loop_view> find_loop(std::uint32_t id) {
    const auto views = read_loops();
    const auto found =
        std::find_if(views.begin(), views.end(), [id](const auto& view) { return view.id == id; });
    return found == views.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

TEST_CASE("a loop is listed from its construction on, and after its end as it was then") {
    std::uint32_t id = 0;
    {
        loop l;
        id = l.id();
        const auto before = find_loop(id);
        REQUIRE(before.has_value());
        CHECK(before->alive);
        CHECK(before->state == loop_state::idle);
        l.call_soon([] {});
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
        CHECK(find_loop(id)->statistics.callbacks == 2);
    }
    const auto after = find_loop(id);
    REQUIRE(after.has_value());
    CHECK_FALSE(after->alive);
    CHECK(after->state == loop_state::closed);
    CHECK(after->statistics.callbacks == 2);
}

TEST_CASE("the list of ended loops is bounded and in the order of their creation") {
    for (int i = 0; i < 100; ++i) {
        const loop l;
    }
    const auto views = read_loops();
    CHECK(std::count_if(views.begin(), views.end(), [](const auto& v) { return !v.alive; }) == 16);
    CHECK(std::is_sorted(views.begin(), views.end(),
                         [](const auto& a, const auto& b) { return a.id < b.id; }));
}

TEST_CASE("another thread lists a loop that is blocked in a callback", "[threads]") {
    std::promise<std::uint32_t> blocked;
    std::promise<void> go_on;
    std::thread thread([&] {
        loop l;
        l.call_soon([&] {
            blocked.set_value(l.id());
            go_on.get_future().wait();
            l.stop();
        });
        l.run_forever();
    });
    const auto id = blocked.get_future().get();
    const auto view = find_loop(id);
    go_on.set_value();
    thread.join();
    REQUIRE(view.has_value());
    CHECK(view->alive);
    CHECK(view->state == loop_state::running);
    CHECK_FALSE(find_loop(id)->alive);
}
