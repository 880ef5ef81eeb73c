// SPDX-License-Identifier: Apache-2.0
// What happens around a loop's beginning and end: its clock is told, and exceptions that surface
// when the loop is gone are not lost.

#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/loop.hpp>

#include "support/catch.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

class noting_clock final : public coroscope::clock {
public:
    [[nodiscard]] coroscope::time_point now() const noexcept override { return {}; }
    [[nodiscard]] coroscope::idle_action on_idle(const coroscope::idle_state&) override {
        return {};
    }
    void on_loop_opened(coroscope::loop&) override {
        if (refuses) { throw std::runtime_error("refused"); }
        ++opened;
    }
    void on_loop_closed(coroscope::loop&) noexcept override { ++closed; }

    int opened = 0;
    int closed = 0;
    bool refuses = false;
};

coroscope::coro<int> fail() {
    throw std::runtime_error("nobody asked");
    co_return 0;
}

std::vector<std::string>& orphans() {
    static std::vector<std::string> texts;
    return texts;
}

void collect(const coroscope::exception_context& context) noexcept {
    orphans().push_back(context.task_name + ": " + coroscope::describe(context.exception));
}

}  // namespace

TEST_CASE("a clock is told of its loops once each", "[loop]") {
    noting_clock clock;
    coroscope::loop_options options;
    options.clock = &clock;
    {
        coroscope::loop first(options);
        CHECK(clock.opened == 1);
        first.close();
        CHECK(clock.closed == 1);
        const coroscope::loop second(options);
        CHECK(clock.opened == 2);
    }
    CHECK(clock.closed == 2);
    clock.refuses = true;
    CHECK_THROWS_WITH(coroscope::loop(options), "refused");
    CHECK(clock.opened == 2);
}

TEST_CASE("an exception that surfaces after its loop has gone reaches the orphan handler",
          "[loop]") {
    const auto before = coroscope::set_orphan_handler(&collect);
    orphans().clear();
    coroscope::task<int> lost;
    coroscope::task<int> retrieved;
    coroscope::future<int> unset;
    {
        coroscope::loop l;
        lost = l.create_task(fail(), "lost");
        retrieved = l.create_task(fail(), "retrieved");
        unset = l.create_future<int>();
        l.call_soon([&l] { l.stop(); });
        l.run_forever();
    }
    static_cast<void>(retrieved.exception());
    lost = {};
    retrieved = {};
    unset.set_exception(std::runtime_error("in a future"));
    unset = {};
    coroscope::set_orphan_handler(before);
    CHECK(orphans() == std::vector<std::string>{"lost: nobody asked", ": in a future"});
}

TEST_CASE("an interruption is thrown where the task stands, once", "[task]") {
    coroscope::loop l;
    int caught = 0;
    auto never = l.create_future<>();
    const auto waits = [](coroscope::future<>& f, int& count) -> coroscope::coro<> {
        try {
            co_await f;
        } catch (const std::domain_error&) { ++count; }
        co_await f;
    };
    auto waiting = l.create_task(waits(never, caught));
    const auto interrupt = [&] {
        waiting.core().interrupt(std::make_exception_ptr(std::domain_error("why")));
        CHECK_FALSE(never.done());  // what it waits for goes on
        l.call_soon([&] { l.call_soon([&] { never.set_result(); }); });
    };
    l.call_soon(interrupt);
    l.run_until_complete(waiting);
    CHECK(caught == 1);
}
