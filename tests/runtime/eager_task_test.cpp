// SPDX-License-Identifier: Apache-2.0
// Tasks that begin inside their creator's step, and what a task knows of how it came to be.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/context_var.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::await_site;
using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

struct eager_loop : virtual_loop {
    eager_loop() { loop.set_task_factory(coroscope::eager_task_factory); }
};

coro<int> at_once(std::string& log, char letter) {
    log += letter;
    co_return 7;
}

coro<> in_two_steps(std::string& log, char first, char second) {
    log += first;
    co_await coroscope::yield_now();
    log += second;
}

coro<int> fails_at_once() {
    throw std::runtime_error("at once");
    co_return 0;
}

/// Keeps the steps it is told of.
struct step_counter final : coroscope::observer {
    void on_steps(std::span<const coroscope::step_record> steps) noexcept override {
        for (const auto& step : steps) {
            ids.push_back(step.id);
        }
    }
    std::vector<std::uint64_t> ids;
};

}  // namespace

TEST_CASE("an eager task that need not wait is done when create_task returns") {
    eager_loop v;
    std::string log;
    auto body = [](std::string& l) -> coro<> {
        auto t = coroscope::get_running_loop().create_task(at_once(l, 'a'));
        l += t.done() ? 'd' : '-';
        l += coroscope::current_task().done() ? '-' : 'm';
        const int n = co_await t;
        CHECK(n == 7);
    };
    auto main = v.loop.create_task(body(log));
    CHECK(log.empty());  // the loop does not run yet: as any task
    v.loop.run_until_complete(main);
    CHECK(log == "adm");
}

TEST_CASE("an eager task runs before what is ready, and goes on behind it") {
    eager_loop v;
    std::string log;
    auto body = [](std::string& l) -> coro<> {
        auto& here = coroscope::get_running_loop();
        here.call_soon([&l] { l += 'c'; });
        auto a = here.create_task(in_two_steps(l, 'a', 'A'));
        auto b = here.create_task(in_two_steps(l, 'b', 'B'));
        l += 'm';
        co_await coroscope::gather(std::move(a), std::move(b));
    };
    v.loop.run_until_complete(body(log));
    CHECK(log == "abmcAB");
}

TEST_CASE("what an eager task throws stays in it") {
    eager_loop v;
    auto body = []() -> coro<> {
        auto t = coroscope::get_running_loop().create_task(fails_at_once());
        CHECK(t.done());
        std::string message;
        try {
            co_await t;
        } catch (const std::runtime_error& e) { message = e.what(); }
        CHECK(message == "at once");
        auto lost = coroscope::get_running_loop().create_task(fails_at_once());
    };
    v.loop.run_until_complete(body());
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].message.find("never retrieved") != std::string::npos);
}

TEST_CASE("inside an eager task it is the current one, with a context of its own") {
    static coroscope::context_var<int> var("eager", 0);
    eager_loop v;
    auto inner = []() -> coro<std::uint64_t> {
        var.set(2);
        co_return coroscope::current_task().id();
    };
    auto body = [](auto& make) -> coro<> {
        var.set(1);
        const auto own = coroscope::current_task().id();
        auto t = coroscope::get_running_loop().create_task(make());
        CHECK(t.result() == t.id());
        CHECK(coroscope::current_task().id() == own);
        CHECK(var.get() == 1);
        co_return;
    };
    v.loop.run_until_complete(body(inner));
}

TEST_CASE("a callback may start eager tasks, a task may cancel one that it started so") {
    eager_loop v;
    std::string log;
    v.loop.call_soon([&] {
        auto t = v.loop.create_task(in_two_steps(log, 'a', 'A'));
        CHECK_FALSE(coroscope::current_task().valid());
        CHECK(t.cancel());
        t.add_done_callback([&](const coroscope::any_task& done) {
            log += done.cancelled() ? 'x' : '-';
            v.loop.stop();
        });
    });
    v.loop.run_forever();
    CHECK(log == "ax");
    CHECK(all_tasks(v.loop).empty());
}

TEST_CASE("an eager task's first step is its own, and cuts its creator's in two") {
    eager_loop v;
    step_counter counter;
    v.loop.add_observer(counter);
    std::string log;
    auto body = [](std::string& l) -> coro<> {
        auto t = coroscope::get_running_loop().create_task(at_once(l, 'a'));
        co_return;
    };
    v.loop.run_until_complete(body(log));
    v.loop.flush_steps();
    CHECK(counter.ids == std::vector<std::uint64_t>{1, 2, 1});
    CHECK(v.loop.statistics().steps == 2);
    v.loop.remove_observer(counter);
}

TEST_CASE("a thousand eager tasks inside of each other") {
    eager_loop v;
    struct nest {
        static coro<int> go(int depth) {
            if (depth == 0) { co_return 0; }
            auto t = coroscope::get_running_loop().create_task(go(depth - 1));
            const int below = co_await t;
            co_return below + 1;
        }
    };
    CHECK(v.loop.run_until_complete(nest::go(1000)) == 1000);
}

TEST_CASE("a task knows the lines that led to its creation, as many as are asked for") {
    virtual_loop v;
    v.loop.set_origin_depth(2);
    struct creating {
        static coro<task<>> leaf(await_site& at) {
            at = await_site::current();
            co_return coroscope::get_running_loop().create_task(nothing());
        }
        static coro<task<>> middle(await_site& at) { co_return co_await leaf(at); }
        static coro<task<>> outer(await_site& at) { co_return co_await middle(at); }
        static coro<> nothing() { co_return; }
    };
    await_site at{};
    const auto two = v.loop.run_until_complete(creating::outer(at));
    REQUIRE(two.origin().size() == 2);
    CHECK(two.origin()[0].line() == at.line() + 1);
    CHECK(two.origin()[1].line() == at.line() + 3);
    std::ostringstream text;
    two.print_stack(text);
    CHECK(text.str().find(", from " + coroscope::to_string(two.origin()[1])) != std::string::npos);

    v.loop.set_origin_depth(10);
    const auto all = v.loop.run_until_complete(creating::outer(at));
    REQUIRE(all.origin().size() == 3);
    CHECK(all.origin()[2].line() == at.line() + 4);

    v.loop.set_origin_depth(1);
    CHECK(v.loop.run_until_complete(creating::outer(at)).origin().size() == 1);
}

TEST_CASE("debug mode keeps ten creation sites unless told otherwise") {
    coroscope::loop_options options;
    options.debug = true;
    coroscope::loop in_debug_mode(options);
    CHECK(in_debug_mode.origin_depth() == 10);
    options.origin_depth = 3;
    coroscope::loop told(options);
    CHECK(told.origin_depth() == 3);
    options.debug = false;
    options.origin_depth.reset();
    CHECK(coroscope::loop(options).origin_depth() == 1);
}
