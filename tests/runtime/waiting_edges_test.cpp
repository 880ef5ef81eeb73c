// SPDX-License-Identifier: Apache-2.0
// What observers are told about tasks that end for those who wait for several.
#include <coroscope/runtime/as_completed.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_group.hpp>
#include <coroscope/runtime/wait.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::duration;
using coroscope::edge_kind;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

/// The joins with tasks that were told, each once.
struct join_recorder final : coroscope::observer {
    void on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept override {
        if (kind == edge_kind::join && from != 0) { joins.emplace(from, to); }
    }
    std::set<std::pair<std::uint64_t, std::uint64_t>> joins;
};

using joins = std::set<std::pair<std::uint64_t, std::uint64_t>>;

coro<> nap(duration d) {
    co_await coroscope::sleep_for(d);
}

struct observed_loop : virtual_loop {
    observed_loop() { loop.add_observer(recorder); }
    join_recorder recorder;
};

}  // namespace

TEST_CASE("observers are told that each task of a group ends before its parent goes on",
          "[waiting]") {
    observed_loop v;
    auto body = [](coroscope::task_group& g) -> coro<> {
        g.create_task(nap(1s));
        g.create_task(nap(2s));
        co_return;
    };
    auto use = [](auto b) -> coro<> {
        coroscope::task_group g;
        co_await g.run(b(g));
    };
    v.loop.run_until_complete(use(body));
    CHECK(v.recorder.joins == joins{{2, 1}, {3, 1}});
}

TEST_CASE("observers are told of the tasks that wait and as_completed waited for", "[waiting]") {
    observed_loop v;
    auto use = [](coroscope::loop& l) -> coro<> {
        std::vector<task<>> tasks{l.create_task(nap(1s)), l.create_task(nap(2s)),
                                  l.create_task(nap(9s))};
        co_await coroscope::wait(tasks, coroscope::return_when::all_completed, 3s);
        auto finished = coroscope::as_completed(std::vector<task<>>{tasks[2]});
        co_await finished.next();
    };
    auto t = v.loop.create_task(use(v.loop));
    v.loop.run_until_complete(t);
    CHECK(v.recorder.joins == joins{{2, 1}, {3, 1}, {4, 1}});
}
